"""From the cells of a column, which are text, to values of the column's type.

A whole column is converted at once, because a check per cell would cost more than the rest of the
parsing. Only a column with unusual cells is converted cell by cell.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.models import Value

_T = TypeVar("_T")

_LARGEST_INTEGER = 2**63 - 1
_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
# `0,5` or `39,4779`, but not `1,234`
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d*,(?!\d{3}\Z)\d+|(?:0|\d{4,}|),\d{3})", re.ASCII)
# how a database may write a cell without a value
_EMPTY = {"", "NULL", "null", "\\N"}


class UnfitError(Exception):
    """A cell does not fit its type."""

    def __init__(self, row: int, cell: str, wanted: str) -> None:
        """Initialize the error with the row, counted from 0, the cell, and the type's name."""
        super().__init__(wanted)
        self.row, self.cell, self.wanted = row, cell, wanted


def _each(cells: Sequence[str], convert: Callable[[str], _T], wanted: str) -> list[_T | None]:
    """Convert cell by cell, to accept unusual spellings and to find a cell that does not fit."""
    values: list[_T | None] = []
    for row, cell in enumerate(cells):
        text = " ".join(cell.split())
        try:
            values.append(None if text in _EMPTY else convert(text))
        except (ValueError, OverflowError, InvalidOperation):  # noqa: PERF203 - the slow path
            raise UnfitError(row, cell, wanted) from None
    return values


def keys(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of a string column in the key: they stay as they are."""
    return cells


def texts(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of a string column: an empty cell becomes None."""
    return [cell or None for cell in cells] if "" in cells else cells


def integers(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of an integer column."""
    digits = "".join(cells)
    if not digits:
        return [None] * len(cells)
    # 18 digits are always less than the largest 64-bit integer
    if digits.isascii() and digits.isdigit() and max(map(len, cells)) < 19:  # noqa: PLR2004
        if "" in cells:
            return [int(cell) if cell else None for cell in cells]
        return list(map(int, cells))
    return _each(cells, _integer, "an integer")


def _integer(cell: str) -> int:
    number = Decimal(_plain(cell))
    if number != number.to_integral_value() or abs(number) > _LARGEST_INTEGER:
        raise ValueError
    return int(number)


def numbers(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of a number column."""
    digits = "".join(cells).replace(".", "")
    if not digits:
        return _each(cells, _number, "a number")
    if digits.isascii() and digits.isdigit():
        try:
            values: list[Value] = (
                [float(cell) if cell else None for cell in cells]
                if "" in cells
                else list(map(float, cells))
            )
        except ValueError:
            pass
        else:
            if math.inf not in values:
                return values
    return _each(cells, _number, "a number")


def _number(cell: str) -> float:
    number = float(_plain(cell))
    if not math.isfinite(number):
        raise ValueError
    return number


def _plain(cell: str) -> str:
    """Return the cell if it is a number in ASCII digits. Python's own parsers accept others."""
    if len(cell) > _LONGEST_NUMBER or not _NUMBER.fullmatch(cell):
        raise ValueError
    return cell


def with_points(cells: Sequence[str], numbers: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """Return the cells of a column with decimal points instead of decimal commas.

    Args:
        cells: The cells.
        numbers: The cells of all number columns in the response. One of them has to prove that
            commas do not separate thousands, as in `1,234`.

    Returns:
        The cells; None if they have points as well, or if nothing proves it.
    """
    if any("." in cell for cell in cells):
        return None
    if not any(_DECIMAL_COMMA.fullmatch(cell.strip()) for column in numbers for cell in column):
        return None
    return [cell.replace(",", ".") for cell in cells]


_TRUTHS = {"1": True, "0": False, "true": True, "false": False}


def booleans(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of a boolean column."""
    return _each(cells, _boolean, "1 or 0")


def _boolean(cell: str) -> bool:
    try:
        return _TRUTHS[cell.lower()]
    except KeyError:
        raise ValueError from None


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DUTCH_MONTHS = {"Mrt": "Mar", "Maa": "Mar", "Mei": "May", "Okt": "Oct"}
_RFC_2822 = re.compile(
    r"(?:(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*|maandag|dinsdag|woensdag|donderdag|vrijdag"
    r"|zaterdag|zondag|ma|di|wo|do|vr|za|zo)\.?(?:, ?| ))? ?(\d{1,2}) "
    rf"({'|'.join([*_MONTHS, *_DUTCH_MONTHS])})[a-z]*\.? "
    r"(\d{4}|\d\d) (\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([+-]\d\d:?\d\d)| ([A-Z]+))?",
    re.ASCII | re.IGNORECASE,
)
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"(?: ?(Z|[+-]\d\d(?::?\d\d)?)| ([A-Z]{3,4}))?",
    re.ASCII | re.IGNORECASE,
)
_UNIX_SECONDS = re.compile(r"\d{9,10}", re.ASCII)
# MySQL's zero date, and how PHP writes it: 30 November of the year -1
_ZERO_DATE = re.compile(r"0|0000-00-00.*|-0001-11-30.*|(?:\w{3}, )?30 Nov -0001.*", re.ASCII)
# What RFC 2822 allows at the end
_COMMENT = re.compile(r" ?\([^()]*\)\Z")
# RFC 2822, section 4.3, and those of the Netherlands
_ZONE_NAMES = {"UT": 0, "GMT": 0, "UTC": 0, "Z": 0, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6}
_ZONE_NAMES |= {"MDT": -6, "MST": -7, "PDT": -7, "PST": -8}
_ZONE_NAMES |= {"CET": 1, "CEST": 2, "MET": 1, "MEST": 2}
_MINUTES = {f":{m:02}:{s:02}": f":{m:02}:{s:02}+00:00" for m in range(60) for s in range(60)}


class Moments:
    """Converts date-times, in each format that the API may use, to ISO 8601 in UTC."""

    def __init__(self, zone: ZoneInfo) -> None:
        """Initialize with the zone of date-times without an offset."""
        self._zone = zone
        self._hours = _Hours(self)

    def values(
        self, cells: Sequence[str], others: Sequence[Sequence[str]] = ()
    ) -> tuple[Sequence[Value], bool]:
        """Convert the cells of a column.

        Args:
            cells: The cells.
            others: For a table with one row per hour, the columns that are otherwise its key. Rows
                with the same cells in them are never of the same hour.

        Returns:
            The values, and whether some may be an hour too early: they have no offset, and nothing
            tells which of the two hours they are of that a clock change makes alike.
        """
        hours, minutes = self._hours, _MINUTES
        begin = _hour_length(next(filter(None, cells), ""))
        end = begin + 6
        try:
            # `Wed, 14 Mar 2012 16` + ` +0100`, and `:16:11`: nearly all hours were seen before
            return [
                hours[cell[:begin] + cell[end:]] + minutes[cell[begin:end]] if cell else None
                for cell in cells
            ], False
        except KeyError:
            moments = _each(cells, self._moment, "a date-time")
        is_unsure = _settle_repeated_hours(moments, others)
        return [moment and moment.astimezone(timezone.utc).isoformat() for moment in moments], is_unsure

    def _moment(self, cell: str) -> datetime | None:
        cell = _COMMENT.sub("", cell)
        return None if _ZERO_DATE.fullmatch(cell) else self.parse(cell)

    def parse(self, cell: str) -> datetime:
        """Return the moment; without an offset in the cell, it is in the zone.

        Raises:
            ValueError: If it is in none of the formats.
        """
        if _UNIX_SECONDS.fullmatch(cell):
            return datetime.fromtimestamp(int(cell), timezone.utc)
        if found := _RFC_2822.fullmatch(cell):
            day, month, year, hour, minute, second, digits, name = found.groups()
            if len(year) == 2:  # noqa: PLR2004 - RFC 2822, section 4.3
                year = f"{'20' if year < '50' else '19'}{year}"
            month = _MONTHS.index(_DUTCH_MONTHS.get(month.title(), month.title())) + 1
            fraction = None
        elif found := _ISO_8601.fullmatch(cell):
            year, month, day, hour, minute, second, fraction, digits, name = found.groups()
        else:
            raise ValueError
        local = datetime(  # noqa: DTZ001 - its offset is what comes next
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
        )
        offset = digits or name
        return self._with_offset(local, offset.upper()) if offset else local.replace(tzinfo=self._zone)

    def _with_offset(self, local: datetime, offset: str) -> datetime:
        if offset[0] in "+-":
            digits = offset[1:].replace(":", "").ljust(4, "0")
            ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            return local.replace(tzinfo=timezone(-ahead if offset[0] == "-" else ahead))
        for fold in (0, 1):
            own = local.replace(tzinfo=self._zone, fold=fold)
            if own.tzname() == offset:
                return own.astimezone(timezone.utc)
        if offset not in _ZONE_NAMES:
            raise ValueError
        return local.replace(tzinfo=timezone(timedelta(hours=_ZONE_NAMES[offset])))


class _Hours(dict[str, str]):
    """A cache from hours, as they are written, to the same hours in ISO 8601 and UTC."""

    # a year of hours; what is met is near to what was met last
    _MOST = 9_000

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def __missing__(self, hour: str) -> str:
        """Convert an hour.

        Raises:
            KeyError: If it has to be parsed with its minutes or its neighbours, or is not an hour.
        """
        begin = _hour_length(hour)
        try:
            moment = self._moments.parse(f"{hour[:begin]}:00:00{hour[begin:]}")
            utc = moment.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            raise KeyError(hour) from None
        if utc.minute or utc.microsecond or _is_repeated(moment):
            raise KeyError(hour)
        if len(self) >= self._MOST:
            self.clear()
        self[hour] = text = utc.strftime("%Y-%m-%dT%H")
        return text


def _hour_length(cell: str) -> int:
    """Return the length of `2012-03-14T16`, or else that of `Wed, 14 Mar 2012 16`."""
    return 13 if cell[4:5] == "-" else 19


# The hour that a clock change repeats


def _is_repeated(moment: datetime) -> bool:
    """Return whether a moment has a second one that is written alike."""
    second = moment.replace(fold=1)
    return (moment.utcoffset() or timedelta()) > (second.utcoffset() or timedelta())


def _settle_repeated_hours(
    moments: list[datetime | None], others: Sequence[Sequence[str]]
) -> bool:
    """Replace the moments of the second of two hours, where the order of rows tells them apart.

    Returns:
        Whether some could not be told apart. They stay in the first hour.
    """
    if not any(moment and _is_repeated(moment) for moment in moments):
        return False
    groups: dict[object, list[int]] = defaultdict(list)
    for row, group in enumerate(zip(*others, strict=True) if others else [()] * len(moments)):
        if moments[row]:
            groups[group].append(row)
    return any([_settle_group(moments, rows, hourly=bool(others)) for rows in groups.values()])


def _settle_group(moments: list[datetime | None], rows: list[int], *, hourly: bool) -> bool:
    """Settle the moments of rows of which the order is known; see `_settle_repeated_hours`."""
    times = [moment for row in rows if (moment := moments[row])]
    if not any(map(_is_repeated, times)):
        return False
    forward, backward = _in_order(times, hourly=hourly), _in_order(times[::-1], hourly=hourly)
    backward = backward._replace(moments=backward.moments[::-1])
    possible = [each for each in (forward, backward) if each.is_ascending]
    settled = possible[0] if possible else forward
    if possible or hourly:
        for row, moment in zip(rows, settled.moments, strict=True):
            moments[row] = moment
    return not (settled.is_complete and len(possible) == 1)


class _Settled(NamedTuple):
    """Moments, of which those that are less than the one before are in the second hour.

    Attributes:
        moments: The moments.
        is_ascending: Whether they ascend.
        is_complete: Whether each night has some in the second hour.
    """

    moments: list[datetime]
    is_ascending: bool
    is_complete: bool


def _in_order(times: Iterable[datetime], *, hourly: bool) -> _Settled:
    settled: list[datetime] = []
    nights: dict[date, bool] = {}
    previous = datetime.min
    for time in times:
        moment = time
        if _is_repeated(moment):
            local = moment.replace(tzinfo=None)
            is_second = nights.get(local.date(), False)
            if local.date() in nights:
                is_second = is_second or local < previous or (hourly and local == previous)
            nights[local.date()] = is_second
            previous = local
            moment = moment.replace(fold=int(is_second))
        settled.append(moment)
    stamps = list(map(datetime.timestamp, settled))
    return _Settled(settled, stamps == sorted(stamps), all(nights.values()))
