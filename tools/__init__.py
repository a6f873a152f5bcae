"""Generators of files that are made from the tap itself."""
