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


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Time:
    """This machine's time.

    Attributes:
        now: Returns the time of the wall clock, an aware date-time.
        monotonic: Returns seconds that never go backwards.
        sleep: Waits for a number of seconds.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_TIME = Time()


class ServerClock:
    """The server's clock, as seen in its responses. All requests of a run share it.

    Until the first response, this machine's clock is the guess. Thread-safe.

    Attributes:
        zone: The time zone of the days.
        known: Whether a response has shown the time.
    """

    def __init__(self, zone: ZoneInfo, time: Time = SYSTEM_TIME) -> None:
        """Start with this machine's clock as a guess.

        Args:
            zone: The time zone of the days.
            time: This machine's time.
        """
        self.zone = zone
        self.known = False
        self._time = time
        self._ahead = timedelta(0)
        self._run_day: date | None = None
        self._lock = threading.Lock()

    def today(self) -> date:
        """Return the server's current day, as far as is known."""
        return self._day(self._time.now() + self._ahead)

    @property
    def run_day(self) -> date:
        """The server's day when the run began: fixed by the first response, a guess until then."""
        return self._run_day or self.today()

    def settle(self, sent: datetime, date_header: datetime | None) -> tuple[date, date]:
        """Set the clock from a response, and return the days on which the response may be made.

        Some servers set `Date` when the request arrives, and select the rows later. The response
        was therefore made between `Date` and `Date` + 1 s (it has no fractions) + the time that the
        response took. Without the header, this machine's clock before and after the request counts.

        Args:
            sent: This machine's time when the request was sent.
            date_header: The `Date` header of the response.

        Returns:
            The earliest and the latest day on which it was made. Unless both are the day from which
            the request counted its days, its rows may be of other days.
        """
        received = self._time.now()
        took = max(received - sent, timedelta(0))
        if date_header is None:
            begin, end = sent + self._ahead, received + self._ahead
        else:
            begin, end = date_header, date_header + timedelta(seconds=1) + took
        with self._lock:
            if date_header is not None:
                # Late by at most the duration of the response, if `Date` was set at its start.
                self._ahead = date_header - received
            self.known = True
            if self._run_day is None:
                self._run_day = self._day(begin)
        return self._day(begin), self._day(end)

    def wait_for_midnight(self, patience: float = 2.0) -> None:
        """Sleep until midnight if it is at most `patience` seconds away."""
        now = self._time.now() + self._ahead
        left = (midnight(self._day(now) + ONE_DAY, self.zone) - now).total_seconds()
        if left <= patience:
            self._time.sleep(left)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()


class Pause:
    """A pause of all requests of a run, because the server requires it or is busy.

    A short pause never ends a longer one. Thread-safe.
    """

    def __init__(self, longest: float, time: Time = SYSTEM_TIME) -> None:
        """Start without a pause.

        Args:
            longest: Maximum number of seconds over the whole run.
            time: This machine's time.
        """
        self._longest = longest
        self._time = time
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._asked = 0.0

    def hold(self, seconds: float) -> None:
        """Pause all requests that are not sent yet for a number of seconds from now."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._time.monotonic() + seconds)

    def ask(self, seconds: float) -> float:
        """Pause all requests because the server requires it.

        If several requests in flight get the same pause, it counts once.

        Args:
            seconds: Seconds that the server requires from now on.

        Returns:
            The sum of the seconds in this run. If it exceeds the limit, there is no pause.
        """
        with self._lock:
            now = self._time.monotonic()
            more = max(now + seconds - max(self._resume_at, now), 0.0)
            if self._asked + more <= self._longest:
                self._resume_at = max(self._resume_at, now + seconds)
                self._asked += more
                return self._asked
            return self._asked + more

    def wait(self) -> None:
        """Wait for the end of the pause, even if it is extended meanwhile."""
        while (left := self._resume_at - self._time.monotonic()) > 0:
            self._time.sleep(left)
