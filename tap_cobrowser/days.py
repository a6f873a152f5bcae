"""Whole days of a time zone: the date window, midnight, and days as users write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d+))?)?"
    r"(?:(Z)|([+-]\d{2}):?(\d{2}))?",
    re.ASCII | re.IGNORECASE,
)


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

    @property
    def length(self) -> int:
        """The number of its days."""
        return (self.last - self.first).days + 1

    def joined(self, other: DateWindow | None) -> DateWindow:
        """Return the days from the first to the last of both."""
        if other is None:
            return self
        return DateWindow(min(self.first, other.first), max(self.last, other.last))

    @property
    def days(self) -> list[DateWindow]:
        """Its days, each as a window of its own, oldest first."""
        days = (self.first + each * ONE_DAY for each in range(self.length))
        return [DateWindow(day, day) for day in days]

    def days_ago(self, today: date) -> dict[str, int]:
        """Return the API's `start` (the older end) and `stop`, counted from `today`."""
        return {"start": (today - self.first).days, "stop": (today - self.last).days}


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which a day begins in a zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(timezone.utc)


def days_of(moments: Iterable[str], zone: ZoneInfo) -> set[date]:
    """Return the days of a zone that have moments, given as ISO 8601 date-times in UTC."""
    quarters = {f"{moment[:14]}{int(moment[14:16]) // 15 * 15:02}+00:00" for moment in moments}
    return {datetime.fromisoformat(each).astimezone(zone).date() for each in quarters}


def parse_day(text: str, zone: ZoneInfo) -> date:
    """Return the day that an ISO 8601 date names, or that contains a date-time in a zone.

    A date-time without an offset is the zone's own.

    Raises:
        ValueError: If it is neither.
    """
    moment = _moment(text.strip())
    try:
        day = (moment.astimezone(zone) if moment.tzinfo else moment).date()
    except OverflowError:
        msg = f"not a date: {text!r}"
        raise ValueError(msg) from None
    # A margin of a year on both ends keeps every later calculation within the calendar.
    if not MINYEAR < day.year < MAXYEAR:
        msg = f"out of the calendar: {text!r}"
        raise ValueError(msg)
    return day


def whole_day(text: str, zone: ZoneInfo) -> date:
    """Return the first day that begins at, or after, what an ISO 8601 date or date-time names.

    The same as `parse_day`, except for a date-time that is not the midnight of its day.

    Raises:
        ValueError: If it is neither.
    """
    day, moment = parse_day(text, zone), _moment(text.strip())
    instant = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return day + ONE_DAY if instant > midnight(day, zone) else day


def _moment(text: str) -> datetime:
    """Return what a date or date-time names; without an offset, it is naive."""
    if _DATE.fullmatch(text):
        return datetime.fromisoformat(text)
    found = _DATE_TIME.fullmatch(text)
    if not found:
        msg = f"not a date: {text!r}"
        raise ValueError(msg)
    day, minutes, seconds, _, zulu, hours_off, minutes_off = found.groups()
    offset = "+00:00" if zulu else f"{hours_off}:{minutes_off}" if hours_off else ""
    return datetime.fromisoformat(f"{day}T{minutes}:{seconds or '00'}{offset}")


def before_today(today: date, days: int = 30) -> date:
    """Return the first day to extract where no `start_date` is set."""
    return today - timedelta(days=days)
