"""Pure: does a response fit its request? Given the requested window, the time zone and the rows.

The API's page does not say which of `start` and `stop` is the older day, whether the last day is
included, where days begin, or whether there is a row limit. A response that parses may therefore
still not fit its request.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from itertools import chain
from typing import TYPE_CHECKING, cast

from tap_cobrowser.days import ONE_DAY, DateWindow, midnight

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.cells import Value
    from tap_cobrowser.table import Table

LEAST_LIMIT = 100
# The UTC offsets of all time zones lie between these.
_LEAST_OFFSET, _MOST_OFFSET = timedelta(hours=-12), timedelta(hours=14)
_A_MOMENT = timedelta(microseconds=1)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning about a response.

    Attributes:
        kind: What it is about; a stream warns once per kind.
        text: What was requested and received, what the tap does, and what to do, in sentences.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the API.

    Attributes:
        window: The days that it covers. None for a command without windows, and for a window that
            lies in the server's future.
        table: Its rows.
        today: The server's day when it was made. Rows of that day may still be missing.
        extracted: When it was received, in UTC.
        warnings: What does not fit, although the rows can be used.
        extra: How many requests were made to check or to complete it.
        blank: The first of its days, and of what was requested to complete it, that had a response
            without even a header: rows may be missing there. None if none had.
    """

    window: DateWindow | None
    table: Table
    today: date
    extracted: datetime
    warnings: tuple[Warned, ...] = ()
    extra: int = 0
    blank: DateWindow | None = None

    def covers(self, window: DateWindow) -> bool:
        """Return whether it covers a day of a window."""
        own = self.window
        return own is not None and own.first <= window.last and window.first <= own.last


@dataclass(frozen=True, slots=True)
class Subject:
    """What the checks need to know about a command.

    Attributes:
        name: Its name.
        keys: The columns of the key.
        dated: The column that decides to which day a row belongs; None for a table without days.
        reaches_back: Whether rows may begin before the requested days: states or sessions that
            last into them.
        ends: The column that holds when such a row ended, if there is one.
        owner: The column that says whose state or session it is; the next one ends it.
    """

    name: str
    keys: tuple[str, ...]
    dated: str | None = None
    reaches_back: bool = False
    ends: str | None = None
    owner: str | None = None


def is_suspicious(rows: int) -> bool:
    """Return whether a response of so many rows may have been cut off by a row limit.

    Limits are round numbers. If the header counts as a row, or not, the number is next to one.
    """
    return rows >= LEAST_LIMIT and rows % 100 in {0, 1, 99}


def days_of(window: DateWindow) -> list[DateWindow]:
    """Return the days of a window, each as a window of its own."""
    days = range((window.last - window.first).days + 1)
    return [DateWindow(day, day) for day in (window.first + each * ONE_DAY for each in days)]


def days_with_rows(moments: Sequence[str], window: DateWindow, zone: ZoneInfo) -> set[date]:
    """Return the days of a window that have rows.

    Args:
        moments: ISO 8601 date-times in UTC, one per row.
        window: The window.
        zone: The zone of its days.
    """
    found: set[date] = set()
    for day in days_of(window):
        begin, end = bounds(day, zone)
        if any(begin <= each < end for each in moments):
            found.add(day.first)
    return found


def proves_ranges(moments: Sequence[str], window: DateWindow, zone: ZoneInfo) -> bool:
    """Return whether rows prove that a response covers all days of a window of several.

    They do if there are rows on its first and on its last day, and if they span more time than all
    days but one, of which one may have 25 hours. Otherwise the server's days may begin at another
    midnight, and one of them may be missing.

    Args:
        moments: ISO 8601 date-times in UTC that are covered.
        window: The window.
        zone: The zone of its days.
    """
    if not {window.first, window.last} <= days_with_rows(moments, window, zone):
        return False
    begin, end = bounds(window, zone)
    within = [each for each in moments if begin <= each < end]
    span = datetime.fromisoformat(max(within)) - datetime.fromisoformat(min(within))
    return span > window.last - window.first + timedelta(hours=1)


def shown_moments(
    subject: Subject, table: Table, window: DateWindow, zone: ZoneInfo
) -> Sequence[str]:
    """Return the moments that rows prove to be covered by a response, at most one per row.

    A row that may begin before the days is there because it ended within or after them. One that
    lasts from the first day into the next is in a response to that day alone as well.

    Args:
        subject: What was requested.
        table: The rows.
        window: The window.
        zone: The zone of its days.
    """
    moments = moments_of(subject, table)
    if not subject.reaches_back:
        return moments
    _, second = bounds(DateWindow(window.first, window.first), zone)
    later = [begin for begin in moments if begin >= second]
    rows = zip(moments, _ends_of(subject, table) or _next_of(subject, table), strict=True)
    return [*later, *(end for begin, end in rows if end and begin < second and end < second)]


def last_moments(
    subject: Subject, table: Table, window: DateWindow, zone: ZoneInfo
) -> Sequence[str]:
    """Return where rows lie. What may begin before a window counts as of its begin if it lasts.

    Args:
        subject: What was requested.
        table: The rows.
        window: The window.
        zone: The zone of its days.
    """
    moments = moments_of(subject, table)
    if not subject.reaches_back:
        return moments
    first, _ = bounds(window, zone)
    ends = _ends_of(subject, table) or [None] * len(moments)
    rows = zip(moments, ends, strict=True)
    return [begin if begin >= first else min(end or first, first) for begin, end in rows]


def _ends_of(subject: Subject, table: Table) -> Sequence[str | None] | None:
    """Return when each row ended, ISO 8601 in UTC, None if it did not; None if nothing shows it."""
    if subject.ends not in table.names:
        return None
    ends = table.columns[table.names.index(subject.ends)]
    example = next((each for each in ends if each is not None), "")
    if not (isinstance(example, str) and _INSTANT.match(example)):
        return None  # the catalog may have it as another type
    return cast("Sequence[str | None]", ends)


def _next_of(subject: Subject, table: Table) -> Sequence[str | None]:
    """Return when the next row of the same owner begins, None if there is none."""
    moments = moments_of(subject, table)
    found: list[str | None] = [None] * len(moments)
    if subject.owner not in table.names:
        return found
    owners = table.columns[table.names.index(subject.owner)]
    following: dict[Value, tuple[str, str | None]] = {}
    for row in sorted(range(len(moments)), key=moments.__getitem__, reverse=True):
        begin, then = following.get(owners[row], (None, None))
        if begin != moments[row]:  # several rows may begin at once
            then = begin
        following[owners[row]] = moments[row], then
        found[row] = then
    return found


def bounds(window: DateWindow, zone: ZoneInfo) -> tuple[str, str]:
    """Return where a window begins and ends, as ISO 8601 instants in UTC; the end is excluded."""
    return (
        midnight(window.first, zone).isoformat(),
        midnight(window.last + ONE_DAY, zone).isoformat(),
    )


@dataclass(frozen=True, slots=True)
class Outside:
    """Rows outside the requested window.

    Attributes:
        before: Number of rows before it, if there should be none.
        after: Number of rows after it.
        earliest: How long before the window the earliest row is; 0 if none is.
        latest: How long after the end of the window the latest row is; 0 if none is.
        first: The moment of the first row of all.
        last: The moment of the last row of all.
    """

    before: int
    after: int
    earliest: timedelta
    latest: timedelta
    first: datetime
    last: datetime


def outside(
    moments: Sequence[str], window: DateWindow, zone: ZoneInfo, *, reaches_back: bool
) -> Outside | None:
    """Return which rows are outside a window, None if none are.

    Args:
        moments: ISO 8601 date-times in UTC, one per row.
        window: The window that was requested.
        zone: The zone of its days.
        reaches_back: Whether rows before the window are right.
    """
    if not moments:
        return None
    begin, end = bounds(window, zone)
    low, high = min(moments), max(moments)
    if high < end and (reaches_back or low >= begin):
        return None
    first, last = datetime.fromisoformat(low), datetime.fromisoformat(high)
    begins, ends = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    nothing = timedelta(0)
    before = 0 if reaches_back else sum(each < begin for each in moments)
    return Outside(
        before,
        sum(each >= end for each in moments),
        begins - first if before else nothing,
        last - ends if high >= end else nothing,
        first,
        last,
    )


def shift_of_days(
    moments: Sequence[str], window: DateWindow, zone: ZoneInfo
) -> tuple[timedelta, timedelta] | None:
    """Return the least and the greatest shift of the server's days that explain rows outside.

    With a positive shift they begin after midnight of the zone. The least one is excluded. None if
    no time zone has days that explain the rows.

    Args:
        moments: ISO 8601 date-times in UTC, one per row.
        window: The window that was requested.
        zone: The zone of its days.
    """
    begins, ends = (datetime.fromisoformat(each) for each in bounds(window, zone))
    offset = begins.astimezone(zone).utcoffset() or timedelta(0)
    # All rows are before the server's last midnight, and none is before its first one.
    least = max(datetime.fromisoformat(max(moments)) - ends, offset - _MOST_OFFSET - _A_MOMENT)
    most = min(datetime.fromisoformat(min(moments)) - begins, offset - _LEAST_OFFSET)
    return (least, most) if least < most else None


def disproves_offset(
    moments: Sequence[str],
    window: DateWindow,
    zone: ZoneInfo,
    stamp: datetime,
    *,
    reaches_back: bool = False,
) -> bool:
    """Return whether rows prove that days do not begin at the midnight of their UTC offset.

    Args:
        moments: ISO 8601 date-times in UTC, one per row.
        window: The window that was requested.
        zone: The zone of its days.
        stamp: A date-time with the offset that rows are written in.
        reaches_back: Whether rows may begin before the window, so that early ones prove nothing.
    """
    offset = stamp.utcoffset()
    if offset is None or not moments:
        return False
    first, last = min(moments), max(moments)
    begin, end = bounds(window, zone)
    their_begin, their_end = (
        datetime(day.year, day.month, day.day, tzinfo=stamp.tzinfo)
        .astimezone(timezone.utc)
        .isoformat()
        for day in (window.first, window.last + ONE_DAY)
    )
    early = not reaches_back and begin <= first < their_begin
    return early or their_end <= last < end


@dataclass(frozen=True, slots=True)
class Collision:
    """Rows that share their key but differ elsewhere.

    Attributes:
        keys: How many keys have more than one row.
        example: The first such key, one value per column.
    """

    keys: int
    example: tuple[Value, ...]


def colliding_keys(table: Table, keys: Sequence[str]) -> Collision | None:
    """Return which rows of a table share their key and differ elsewhere, None if none do."""
    rows = len(table)
    if not rows or not keys or not {*keys} <= {*table.names}:
        return None
    columns = [table.columns[table.names.index(name)] for name in keys]
    if len(columns) == 1:
        if len(set(columns[0])) == rows:
            return None
    elif len(set(zip(*columns, strict=True))) == rows:
        return None
    variants: defaultdict[tuple[Value, ...], set[tuple[Value, ...]]] = defaultdict(set)
    for key, row in zip(zip(*columns, strict=True), zip(*table.columns, strict=True), strict=True):
        variants[key].add(row)
    colliding = [key for key, of_key in variants.items() if len(of_key) > 1]
    return Collision(len(colliding), colliding[0]) if colliding else None


def join(subject: Subject, tables: Sequence[Table]) -> Table:
    """Return the rows of several tables as one, each once.

    A row that changed from one table to the next, as that of a state that lasts does, is there as
    the last of them has it.
    """
    notes = tuple(dict.fromkeys(chain.from_iterable(table.notes for table in tables)))
    filled = [table for table in tables if len(table)]
    if len(filled) < 2:  # noqa: PLR2004 - nothing to join
        return replace(filled[0] if filled else tables[0], notes=notes)
    names = _names_of(filled)
    rows: dict[tuple[Value, ...], tuple[Value, ...]] = {}
    for table, identities in zip(filled, _identities(subject, filled), strict=True):
        rows.update(zip(identities, _rows(table, names), strict=True))
    return replace(
        filled[0],
        names=names,
        columns=tuple(zip(*rows.values(), strict=True)),
        notes=notes,
        blank=False,
    )


def distinct(subject: Subject, tables: Sequence[Table]) -> int:
    """Return how many different rows several tables have."""
    filled = [table for table in tables if len(table)]
    # A set of the rows themselves would take as much memory as the tables.
    return len({hash(each) for each in chain.from_iterable(_identities(subject, filled))})


def _identities(subject: Subject, tables: Sequence[Table]) -> list[Iterable[tuple[Value, ...]]]:
    """Return the values that identify the rows of each table.

    It is the key with the date-time, as long as these are unique in each table, else all cells.
    """
    names = tuple(dict.fromkeys(filter(None, [*subject.keys, subject.dated])))
    unique = subject.keys and all(
        {*names} <= {*table.names} and not colliding_keys(table, names) for table in tables
    )
    return [_rows(table, names if unique else _names_of(tables)) for table in tables]


def _names_of(tables: Sequence[Table]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(table.names for table in tables)))


def _rows(table: Table, names: Sequence[str]) -> Iterable[tuple[Value, ...]]:
    """Return the rows of a table with these columns; missing columns are empty."""
    columns = [
        table.columns[table.names.index(name)] if name in table.names else [None] * len(table)
        for name in names
    ]
    return zip(*columns, strict=True)


def moments_of(subject: Subject, table: Table) -> Sequence[str]:
    """Return the date-time of each row, ISO 8601 in UTC; empty for a table without days."""
    if subject.dated is None or subject.dated not in table.names:
        return ()
    # A replication key has no empty cells, and its column was converted to texts.
    return cast("Sequence[str]", table.columns[table.names.index(subject.dated)])


def whole(subject: Subject, window: DateWindow, responses: Sequence[Response]) -> Response:
    """Return the responses to the days of a window as one response."""
    return Response(
        window,
        join(subject, [each.table for each in responses]),
        min(each.today for each in responses),
        max(each.extracted for each in responses),
    )
