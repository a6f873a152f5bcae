"""The sandbox: CoBrowser.net's CSV export API on loopback, with made-up data.

It is independent of the tap. Its tables repeat the API's page, so that a test that compares the
two finds a mistake in either.
"""

from __future__ import annotations

from sandbox.readings import Readings
from sandbox.server import Sandbox
from sandbox.world import World

__all__ = ["Readings", "Sandbox", "World"]
