"""Made-up time for the server and for the tap, so that midnight can fall anywhere."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from tap_cobrowser.api.clock import Time
from tests.expected import NOW

if TYPE_CHECKING:
    from sandbox.server import Request


class Waits(list[float]):
    """The waits of a tap at NOW, which pass at once; each is a number of seconds."""

    def of_tap(self) -> Time:
        """Return the time of the tap that waits here."""
        return Time(lambda: NOW, lambda: monotonic() + sum(self), self._wait)

    def _wait(self, seconds: float) -> None:
        self.append(seconds)
        assert len(self) < 1_000, "the tap waits and retries without end"


@dataclass
class MadeUp:
    """The time at the server, the machine's drift from it, and how it passes with requests."""

    now: datetime
    drift: timedelta = timedelta(0)
    steps: list[float] = field(default_factory=list)
    """Seconds that pass within the next requests: before `Date`, then before the rows."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    def server(self) -> datetime:
        """Return the server's time."""
        return self.now

    def machine(self) -> datetime:
        """Return the machine's own time."""
        return self.now + self.drift

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        with self.lock:
            self.now += timedelta(seconds=seconds)

    def of_tap(self) -> Time:
        """Return the machine's time, in which the tap's waits pass at once."""
        return Time(
            self.machine,
            lambda: self.machine().timestamp(),
            lambda seconds: self.pass_by(seconds + 1e-6),
        )

    def step(self, _: Request | None = None) -> None:
        """Let as much time pass as comes next."""
        self.pass_by(self.steps.pop(0) if self.steps else 0)
