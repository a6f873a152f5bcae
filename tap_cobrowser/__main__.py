"""Runs the tap as `python -m tap_cobrowser`."""

from __future__ import annotations

from tap_cobrowser.start import main

main()
