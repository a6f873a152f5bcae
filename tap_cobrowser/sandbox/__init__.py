"""A CoBrowser.net on loopback, with made-up data: for trying and testing only.

It stands apart from the tap: its tables are written down from the API's page a second time, so
that a test which compares the two finds a mistake in either.
"""

from __future__ import annotations

from tap_cobrowser.sandbox.readings import Readings
from tap_cobrowser.sandbox.server import Sandbox
from tap_cobrowser.sandbox.world import World

__all__ = ["Readings", "Sandbox", "World"]
