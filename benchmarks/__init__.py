"""Measures the cost of a run, compared with a minimal program and with other tools."""
