"""Does a response have the days that were requested, and does a range have the rows of its days?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.models import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.models import Command, Response, Row, Table

_A_DAY = timedelta(days=1)


def days_notice(command: Command, response: Response, zone: ZoneInfo) -> Notice | None:
    """Return a notice if some rows are outside the days that were requested, None if none are.

    Rows before the days are right only where a state or session may last into them. A row exactly
    at the closing midnight is not after it. UTC offsets of date-times say nothing about days.

    Raises:
        WrongDaysError: If all rows are more than a day outside.
    """
    moments, window = response.table.moments(command), response.window
    if not moments or window is None:
        return None
    begin, end = _bounds(window, zone)
    low, high = min(moments), max(moments)
    if command.hourly and high == end and low > begin:
        # The hour after the days instead of their first one: an hour's difference of time zones.
        end = (datetime.fromisoformat(end) - timedelta(hours=1)).isoformat()
    if high <= end and (command.reaches_back or low >= begin):
        return None
    first, last = datetime.fromisoformat(low), datetime.fromisoformat(high)
    begins, ends = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    earliest, latest = (begins - _A_DAY).isoformat(), (ends + _A_DAY).isoformat()
    if not any(
        moment <= latest and (command.reaches_back or moment >= earliest) for moment in moments
    ):
        raise _wrong_days(response, first, last, zone)
    before = 0 if command.reaches_back else sum(moment < begin for moment in moments)
    after = sum(moment > end for moment in moments)
    parts = []
    if before:
        parts.append(f"{_rows(before)} up to {_hours(begins - first)} before")
    if after:
        parts.append(f"{_rows(after)} up to {_hours(last - ends)} after")
    text = f"The response to {window} has {' and '.join(parts)} these days. They are emitted. "
    advice = "The server may not use `start` and `stop` as documented, or "
    if max(begins - first if before else timedelta(0), last - ends) <= _A_DAY:
        advice = (
            "The server's days may begin at another midnight than those of `timezone` "
            f"({zone.key}), so that the first day and today lack rows: ask CoBrowser.net for the "
            "time zone of the account, and set `timezone` to it. Or "
        )
    text += f"{advice}a cache in between returns stored responses."
    return Notice("days", text)


def begins_on(moments: Sequence[str], day: DateWindow, zone: ZoneInfo) -> bool:
    """Return whether one of the moments (ISO 8601 in UTC) is on a day."""
    begin, end = _bounds(day, zone)
    return any(begin <= moment < end for moment in moments)


def rows_by_key(command: Command, table: Table) -> set[Row]:
    """Return what identifies the rows of a table: their key with the date-time of their day."""
    names = [name for name in (*command.keys, command.dated) if name in table.names]
    return set(zip(*(table.values(name or "") for name in names), strict=True))


def _bounds(window: DateWindow, zone: ZoneInfo) -> tuple[str, str]:
    """Return where a window begins and ends, as ISO 8601 instants in UTC."""
    return (
        midnight(window.first, zone).isoformat(),
        midnight(window.last + ONE_DAY, zone).isoformat(),
    )


def _wrong_days(
    response: Response, first: datetime, last: datetime, zone: ZoneInfo
) -> WrongDaysError:
    got = DateWindow(first.astimezone(zone).date(), last.astimezone(zone).date())
    rows = len(response.table)
    count = rows if rows > 1 else "one"
    return WrongDaysError(
        f"The response has no row of the days that were requested, but {count} of {got}"
    )


def _rows(number: int) -> str:
    return f"{number} rows" if number > 1 else "1 row"


def _hours(time: timedelta) -> str:
    minutes = max(round(time.total_seconds() / 60), 1)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - an hour
