"""Generators of the files that are made from the tap itself."""
