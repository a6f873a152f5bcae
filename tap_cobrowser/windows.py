"""Days and the windows made of them: the date window, the paginator that walks it, the clock.

The API tells days as "days ago", so what a number means depends on the day that it is at the
server. Everything here is in whole days of the `timezone` setting.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from singer_sdk.pagination import BaseAPIPaginator

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    import requests

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DateWindow:
    """A closed interval of whole days, `first` and `last` included."""

    first: date
    last: date

    def __str__(self) -> str:
        """The days as in a log line."""
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()}..{self.last.isoformat()}"

    def until(self, last: date) -> DateWindow | None:
        """Return the part of this window up to a day, or None where there is none."""
        if last >= self.last:
            return self
        return DateWindow(self.first, last) if last >= self.first else None

    def days_ago(self, today: date) -> dict[str, int]:
        """Return the API's `start` (the older end) and `stop`, counted from `today`."""
        return {"start": (today - self.first).days, "stop": (today - self.last).days}


class WindowPaginator(BaseAPIPaginator[DateWindow]):
    """Walks the days from the first to the last, oldest first, in windows without gap or overlap.

    It knows its pages beforehand, so it can advance without an answer: that is what lets windows
    be fetched ahead. A window without rows is a page like any other.
    """

    def __init__(self, first: date, last: date, days: int) -> None:
        """Start at the oldest window.

        Args:
            first: The first day.
            last: The last day, included. If it is before `first`, there is no window at all.
            days: How many days a window holds at most.
        """
        super().__init__(DateWindow(first, min(last, first + (days - 1) * ONE_DAY)))
        self._last = last
        self._days = days
        self._finished = first > last

    @override
    def continue_if_empty(self, response: requests.Response | None) -> bool:
        return True

    @override
    def has_more(self, response: requests.Response | None) -> bool:
        return self._value.last < self._last

    @override
    def get_next(self, response: requests.Response | None) -> DateWindow:
        first = self._value.last + ONE_DAY
        return DateWindow(first, min(self._last, first + (self._days - 1) * ONE_DAY))

    @override
    def advance(self, response: requests.Response | None = None) -> None:
        super().advance(response)  # type: ignore[arg-type]


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which a day begins in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(timezone.utc)


def _now() -> datetime:
    return datetime.now(timezone.utc)


class ServerClock:
    """The server's clock as far as its answers have told it, shared by all requests of a run.

    Until the first answer, the machine's own clock is the guess. Safe to use from many threads.

    Attributes:
        zone: The zone whose midnights part the days.
        known: Whether an answer has told the time.
    """

    def __init__(self, zone: ZoneInfo, now: Callable[[], datetime] = _now) -> None:
        """Begin with the machine's clock as a guess.

        Args:
            zone: The zone whose midnights part the days.
            now: The machine's clock, an aware date-time.
        """
        self.zone = zone
        self.known = False
        self._now = now
        self._ahead = timedelta(0)
        self._run_day: date | None = None
        self._lock = threading.Lock()

    def today(self) -> date:
        """Return the day that it is at the server now, as far as is known."""
        return self._day(self._now() + self._ahead)

    @property
    def run_day(self) -> date:
        """The server's day when the run began: fixed by the first answer, a guess until then."""
        return self._run_day or self.today()

    def machine_now(self) -> datetime:
        """Return this machine's own time, an aware date-time."""
        return self._now()

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
        received = self._now()
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
        now = self._now() + self._ahead
        left = (midnight(self._day(now) + ONE_DAY, self.zone) - now).total_seconds()
        if left <= patience:
            time.sleep(left)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()
