"""The server's clock. The machine's own time is passed in, so that tests need not patch it."""

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
    """This machine's time, as far as the tap needs it.

    Attributes:
        now: Returns the wall clock's time, an aware date-time.
        monotonic: Returns seconds that never run backwards.
        sleep: Waits for a number of seconds.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_TIME = Time()


class ServerClock:
    """The server's clock as far as its answers have told it, shared by all requests of a run.

    Until the first answer, the machine's own clock is the guess. Safe to use from many threads.

    Attributes:
        zone: The zone whose midnights part the days.
        known: Whether an answer has told the time.
    """

    def __init__(self, zone: ZoneInfo, time: Time = SYSTEM_TIME) -> None:
        """Begin with the machine's clock as a guess.

        Args:
            zone: The zone whose midnights part the days.
            time: This machine's time.
        """
        self.zone = zone
        self.known = False
        self._time = time
        self._ahead = timedelta(0)
        self._run_day: date | None = None
        self._lock = threading.Lock()

    def today(self) -> date:
        """Return the day that it is at the server now, as far as is known."""
        return self._day(self._time.now() + self._ahead)

    @property
    def run_day(self) -> date:
        """The server's day when the run began: fixed by the first answer, a guess until then."""
        return self._run_day or self.today()

    def settle(self, sent: datetime, date_header: datetime | None) -> tuple[date, date]:
        """Learn from an answer, and tell between which days it was made.

        Some servers stamp `Date` when the request comes in and pick the rows later. So the answer
        was made between `Date` and `Date` + 1 s (it has no fractions) + the time that the answer
        took. Without the header, it is this machine's clock before and after that count.

        Args:
            sent: This machine's time when the request was sent.
            date_header: The answer's `Date` header.

        Returns:
            The day on which it was made at the earliest, and at the latest. If they are not both
            the day that the numbers of the request were counted from, its rows are of other days.
        """
        received = self._time.now()
        took = max(received - sent, timedelta(0))
        if date_header is None:
            begin, end = sent + self._ahead, received + self._ahead
        else:
            begin, end = date_header, date_header + timedelta(seconds=1) + took
        with self._lock:
            if date_header is not None:
                # Behind by what the answer took at most, if the header was stamped at its begin.
                self._ahead = date_header - received
            self.known = True
            if self._run_day is None:
                self._run_day = self._day(begin)
        return self._day(begin), self._day(end)

    def wait_for_midnight(self, patience: float = 2.0) -> None:
        """Sleep over a midnight that is at most `patience` seconds away, if there is one."""
        now = self._time.now() + self._ahead
        left = (midnight(self._day(now) + ONE_DAY, self.zone) - now).total_seconds()
        if left <= patience:
            self._time.sleep(left)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()


class Pause:
    """A wait that all requests of a run keep, because the server asked for it or is busy.

    A short pause never ends a longer one. Safe to use from many threads.
    """

    def __init__(self, longest: float, time: Time = SYSTEM_TIME) -> None:
        """Begin without a pause.

        Args:
            longest: Seconds that the server may ask for in all, over the whole run.
            time: This machine's time.
        """
        self._longest = longest
        self._time = time
        self._lock = threading.Lock()
        self._resume_at = 0.0
        self._asked = 0.0

    def hold(self, seconds: float) -> None:
        """Hold all requests that are not yet sent for so many seconds from now on."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._time.monotonic() + seconds)

    def ask(self, seconds: float) -> float:
        """Hold all requests because the server asks for it.

        Requests in flight that are asked for the same pause do not add it up.

        Args:
            seconds: How long the server asks to wait, from now on.

        Returns:
            The seconds that it has asked for in all. If they are more than it may ask for, there
            is no pause.
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
        """Wait for the end of the pause, also where it becomes longer meanwhile."""
        while (left := self._resume_at - self._time.monotonic()) > 0:
            self._time.sleep(left)
