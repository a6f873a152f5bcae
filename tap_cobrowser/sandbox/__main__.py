"""Runs the sandbox as `python -m tap_cobrowser.sandbox`."""

from __future__ import annotations

import sys

from tap_cobrowser.sandbox.cli import main

sys.exit(main())
