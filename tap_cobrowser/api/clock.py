"""The server's clock. This machine's time is passed in, so that tests do not patch it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from tap_cobrowser.days import ONE_DAY, midnight

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

_PATIENCE = 2.0
_PRECISION = timedelta(seconds=1)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Time:
    """This machine's time: the wall clock, aware; seconds that never go backwards; a wait."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_TIME = Time()


class ServerClock:
    """The server's clock, as its latest response has shown it. All requests of a run share it."""

    def __init__(self, zone: ZoneInfo, time: Time = SYSTEM_TIME) -> None:
        """Start with this machine's clock; `zone` is that of the days."""
        self._zone = zone
        self._time = time
        self._ahead = timedelta(0)

    def today(self) -> date:
        """Return the server's current day."""
        return self._day(self._time.now() + self._ahead)

    def set_by_response(
        self, sent: datetime, took: float, date_header: datetime | None
    ) -> set[date]:
        """Set the clock by a response, and return the days on which its rows may be picked.

        Some servers set `Date` when the request arrives, and pick the rows later. The rows were
        therefore picked between `Date` and `Date` + 1 s (it has no fractions) + the seconds that
        the response took. Without the header, this machine's clock when the request was sent and
        now counts.
        """
        if date_header is None:
            begin, end = sent + self._ahead, self._time.now() + self._ahead
        else:
            begin, end = date_header, date_header + _PRECISION + timedelta(seconds=took)
            # If `Date` was set when the request arrived, this is late by what the response took.
            self._ahead = date_header - self._time.now()
        return {self._day(begin), self._day(end)}

    def wait_for_midnight(self) -> None:
        """Sleep until midnight if it is at most two seconds away."""
        now = self._time.now() + self._ahead
        left = (midnight(self._day(now) + ONE_DAY, self._zone) - now).total_seconds()
        if left <= _PATIENCE:
            self._time.sleep(left)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()


class Pause:
    """A pause of all requests of a run, because the server asks for it or is busy.

    A short pause never ends a longer one. Thread-safe.
    """

    def __init__(self, time: Time = SYSTEM_TIME) -> None:
        """Start without a pause."""
        self._time = time
        self._lock = threading.Lock()
        self._resume_at = 0.0

    def hold(self, seconds: float) -> None:
        """Pause all requests that are not sent yet for a number of seconds from now."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._time.monotonic() + seconds)

    def wait(self) -> None:
        """Wait for the end of the pause, even if it is extended meanwhile."""
        while (left := self._resume_at - self._time.monotonic()) > 0:
            self._time.sleep(left)
