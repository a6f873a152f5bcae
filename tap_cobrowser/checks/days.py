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
    if command.hourly and max(moments) == end and min(moments) > begin:
        # The hour after the days instead of their first one: an hour's difference of time zones.
        end = (datetime.fromisoformat(end) - timedelta(hours=1)).isoformat()
    before = [] if command.reaches_back else [moment for moment in moments if moment < begin]
    after = [moment for moment in moments if moment > end]
    if not before and not after:
        return None
    begins, ends = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    earliest = "" if command.reaches_back else (begins - _A_DAY).isoformat()
    latest = (ends + _A_DAY).isoformat()
    if not any(earliest <= moment <= latest for moment in moments):
        raise _wrong_days(moments, zone)
    early = begins - datetime.fromisoformat(min([*before, begin]))
    late = datetime.fromisoformat(max([*after, end])) - ends
    parts = [f"{_rows(len(before))} up to {_hours(early)} before"] if before else []
    parts += [f"{_rows(len(after))} up to {_hours(late)} after"] if after else []
    text = f"The response to {window} has {' and '.join(parts)} these days. They are emitted. "
    advice = "The server may not use `start` and `stop` as documented, or "
    if max(early, late) <= _A_DAY:
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


def _wrong_days(moments: Sequence[str], zone: ZoneInfo) -> WrongDaysError:
    first, last = map(datetime.fromisoformat, (min(moments), max(moments)))
    got = DateWindow(first.astimezone(zone).date(), last.astimezone(zone).date())
    rows = len(moments) if len(moments) > 1 else "one"
    return WrongDaysError(
        f"The response has no row of the days that were requested, but {rows} of {got}"
    )


def _rows(number: int) -> str:
    return f"{number} rows" if number > 1 else "1 row"


def _hours(time: timedelta) -> str:
    minutes = max(round(time.total_seconds() / 60), 1)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - an hour
