"""From the cells of a column, which are text, to values of the column's type.

A whole column is converted at once, because a check per cell would cost more than the rest of the
parsing. Only a column with unusual cells is converted cell by cell.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from tap_cobrowser.models import Value

_T = TypeVar("_T")

_LARGEST_INTEGER = 2**63 - 1
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
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
        except (ValueError, OverflowError, InvalidOperation):
            raise UnfitError(row, cell, wanted) from None
    return values


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
    if not _NUMBER.fullmatch(cell):
        raise ValueError
    return cell


def with_points(cells: Sequence[str], numbers: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """Return the cells of a column with decimal points, None if nothing proves decimal commas.

    One of the `numbers`, the cells of all number columns in the response, has to prove that commas
    do not separate thousands, as in `1,234`.
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

_59_MINUTES = timedelta(minutes=59)


class Moments:
    """Converts date-times, in each format that the API may use, to ISO 8601 in UTC."""

    def __init__(self, zone: ZoneInfo) -> None:
        """Initialize with the zone of date-times without an offset."""
        self._zone = zone
        self._hours = _Hours(self)

    def values(self, cells: Sequence[str]) -> tuple[Sequence[Value], bool]:
        """Convert the cells of a column.

        Also return whether some are in the hour that a clock change repeats, without an offset:
        they are taken for the first one.
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
        values = [each.astimezone(timezone.utc).isoformat() if each else None for each in moments]
        return values, any(each.tzinfo is not timezone.utc for each in moments if each)

    def _moment(self, cell: str) -> datetime | None:
        cell = _COMMENT.sub("", cell)
        return None if _ZERO_DATE.fullmatch(cell) else self.parse(cell)

    def parse(self, cell: str) -> datetime:
        """Return the moment in UTC; in the zone if a clock change makes it one of two."""
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
        microsecond = (fraction or "0")[:6].ljust(6, "0")
        parts = year, month, day, hour, minute, second or 0, microsecond
        local = datetime(*map(int, parts))  # type: ignore[arg-type] # noqa: DTZ001 - its offset is next
        offset = (digits or name or "").upper()
        first, second = (local.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if not offset and first.astimezone(timezone.utc) < second.astimezone(timezone.utc):
            return first
        for own in (first, second):
            if offset in {"", own.tzname()}:
                return own.astimezone(timezone.utc)
        return local.replace(tzinfo=_fixed_zone(offset)).astimezone(timezone.utc)


class _Hours(dict[str, str]):
    """A cache from hours, as they are written, to the same hours in ISO 8601 and UTC."""

    # a year of hours; what is met is near to what was met last
    _MOST = 9_000

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def __missing__(self, hour: str) -> str:
        """Convert an hour; a KeyError if it has to be parsed with its minutes, or is none."""
        begin = _hour_length(hour)
        try:
            first, last = (
                self._moments.parse(f"{hour[:begin]}:{minute}:00{hour[begin:]}")
                for minute in ("00", "59")
            )
        except (ValueError, OverflowError):
            raise KeyError(hour) from None
        is_even = last - first == _59_MINUTES and not (first.minute or first.microsecond)
        if not is_even or {first.tzinfo, last.tzinfo} != {timezone.utc}:
            raise KeyError(hour)
        if len(self) >= self._MOST:
            self.clear()
        self[hour] = text = first.strftime("%Y-%m-%dT%H")
        return text


def _fixed_zone(offset: str) -> timezone:
    """Return the zone of an offset or a name, a ValueError if it is none."""
    if offset[0] in "+-":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(-ahead if offset[0] == "-" else ahead)
    if offset not in _ZONE_NAMES:
        raise ValueError
    return timezone(timedelta(hours=_ZONE_NAMES[offset]))


def _hour_length(cell: str) -> int:
    """Return the length of `2012-03-14T16`, or else that of `Wed, 14 Mar 2012 16`."""
    return 13 if cell[4:5] == "-" else 19
