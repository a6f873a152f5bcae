"""From the cells of a column, which are text, to values of the column's type.

A whole column is converted at once, because a check per cell would cost more than the rest of the
parsing. Only a column with unusual cells is converted cell by cell.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

Value = str | int | float | bool | None

_LARGEST_INTEGER = 2**63 - 1
_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
# `0,5` or `39,4779`, but not `1,234`
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d*,(?!\d{3}\Z)\d+|(?:0|\d{4,}|),\d{3})", re.ASCII)


class UnfitError(Exception):
    """A cell does not fit its type."""

    def __init__(self, row: int, cell: str, wanted: str) -> None:
        """Initialize the error with the row, counted from 0, the cell, and the type's name."""
        super().__init__(wanted)
        self.row, self.cell, self.wanted = row, cell, wanted


def _each(cells: Sequence[str], convert: Callable[[str], Value], wanted: str) -> list[Value]:
    """Convert cell by cell, to accept unusual spellings and to find a cell that does not fit."""
    values: list[Value] = []
    for row, cell in enumerate(cells):
        try:
            values.append(convert(cell))
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


def _integer(cell: str) -> int | None:
    cell = cell.strip()
    if not cell:
        return None
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


def _number(cell: str) -> float | None:
    cell = cell.strip()
    if not cell:
        return None
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


_TRUTHS: Mapping[str, bool | None] = {"1": True, "0": False, "true": True, "false": False, "": None}


def booleans(cells: Sequence[str]) -> Sequence[Value]:
    """Convert the cells of a boolean column."""
    return _each(cells, _boolean, "1 or 0")


def _boolean(cell: str) -> bool | None:
    try:
        return _TRUTHS[cell.strip().lower()]
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
_A_DAY = timedelta(days=1)


class Moments:
    """Converts date-times, in each format that the API may use, to ISO 8601 in UTC.

    Attributes:
        foreign_offset: The first date-time whose offset is not that of the zone, as written.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        """Initialize with the zone of date-times without an offset."""
        self._zone = zone
        self._hours = _Hours(self)
        self.foreign_offset: datetime | None = None

    def required(self, cells: Sequence[str]) -> Sequence[Value]:
        """Convert the cells of a column that must not have empty cells."""
        values = self.optional(cells)
        if None in values:
            row = values.index(None)
            raise UnfitError(row, cells[row], "a date-time")
        return values

    def optional(self, cells: Sequence[str]) -> Sequence[Value]:
        """Convert the cells of a column."""
        hours, minutes = self._hours, _MINUTES
        try:
            # `Wed, 14 Mar 2012 16` + ` +0100`, and `:16:11`: nearly all hours were seen before
            return [
                hours[cell[:19] + cell[25:]] + minutes[cell[19:25]] if cell else None
                for cell in cells
            ]
        except KeyError:
            return _each(cells, self._moment, "a date-time")

    def _moment(self, cell: str) -> str | None:
        cell = _COMMENT.sub("", " ".join(cell.split()))
        if not cell or _ZERO_DATE.fullmatch(cell):
            return None
        return self.parse(cell).isoformat()

    def parse(self, cell: str) -> datetime:
        """Return the moment in UTC.

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
        if offset is None:
            return local.replace(tzinfo=self._zone).astimezone(timezone.utc)
        moment = self._with_offset(local, offset.upper())
        self._compare(moment)
        return moment.astimezone(timezone.utc)

    def _with_offset(self, local: datetime, offset: str) -> datetime:
        if offset[0] in "+-":
            digits = offset[1:].replace(":", "").ljust(4, "0")
            ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            return local.replace(tzinfo=timezone(-ahead if offset[0] == "-" else ahead))
        for fold in (0, 1):
            own = local.replace(tzinfo=self._zone, fold=fold)
            if own.tzname() == offset:
                return own
        if offset not in _ZONE_NAMES:
            raise ValueError
        return local.replace(tzinfo=timezone(timedelta(hours=_ZONE_NAMES[offset])))

    def _compare(self, moment: datetime) -> None:
        """Compare an offset with the zone's, except near a clock change, where servers differ."""
        if self.foreign_offset or moment.utcoffset() == moment.astimezone(self._zone).utcoffset():
            return
        around = (moment - _A_DAY, moment + _A_DAY)
        before, after = (near.astimezone(self._zone).utcoffset() for near in around)
        if before == after:
            self.foreign_offset = moment


class _Hours(dict[str, str]):
    """A cache from hours in RFC 2822 to the same hours in ISO 8601 and UTC."""

    # a year of hours; what is met is near to what was met last
    _MOST = 9_000

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def __missing__(self, hour: str) -> str:
        """Convert an hour.

        Raises:
            KeyError: If it has to be parsed with its minutes, or is not an hour.
        """
        found = _RFC_2822.fullmatch(f"{hour[:19]}:00:00{hour[19:]}")
        if not found:
            raise KeyError(hour)
        try:
            moment = self._moments.parse(found[0])
        except (ValueError, OverflowError):
            raise KeyError(hour) from None
        if moment.minute:
            raise KeyError(hour)
        if len(self) >= self._MOST:
            self.clear()
        self[hour] = moment.strftime("%Y-%m-%dT%H")
        return self[hour]
