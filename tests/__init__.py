"""Tests of the tap, against the sandbox and real targets."""
