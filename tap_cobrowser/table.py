"""Turns the body of an answer into typed rows, or says why that cannot be done.

The API promises a CSV and leaves open how it is quoted, encoded and dated. A body is read whole
and checked before the first of its rows is used. Cells are converted a column at a time, since a
check per cell would cost more than the rest of the reading.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from io import StringIO
from itertools import compress
from typing import TYPE_CHECKING

from tap_cobrowser.errors import BrokenAnswerError, CellError, MissingColumnError, NotCsvError
from tap_cobrowser.redaction import quote

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

Value = str | int | float | bool | None

# The module's own limit of 128 KiB a cell protects nobody here: the body is in memory already.
csv.field_size_limit(2**31 - 1)

# Responses of so many characters are read with less memory, in a little more time.
_LARGE, _PIECE, _MOST_KNOWN = 8 * 2**20, 2**20, 50_000
_LARGEST_INTEGER = 2**63 - 1
_OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_HTML = re.compile(r"\s*<")
_JSON = re.compile(r"\s*[{\[]")
_PHP_ERROR = re.compile(
    r"(Fatal error|Parse error|Warning|Notice|Deprecated|Exception)\b.* on line ", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Column:
    """A documented column.

    Attributes:
        name: As the API spells it.
        kind: `string`, `integer`, `number`, `boolean` or `date-time`.
        key: Whether it is part of the key or is the replication key, so that it cannot be absent.
        wanted: Whether its cells are to be converted and returned.
    """

    name: str
    kind: str
    key: bool = False
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of an answer.

    Attributes:
        names: Columns of the rows, in the order of the documentation.
        columns: Their values, a sequence a column, all of the same length.
        notes: What a user should know of the answer though its rows could be used.
        blank: Whether there was nothing at all, not even a header.
    """

    names: tuple[str, ...] = ()
    columns: tuple[Sequence[Value], ...] = ()
    notes: tuple[str, ...] = ()
    blank: bool = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def first(self, most: int) -> Table:
        """Return the first rows."""
        return replace(self, columns=tuple(values[:most] for values in self.columns))

    def since(self, column: str, least: str) -> Table:
        """Return the rows whose ISO 8601 date-time in a column is not before another."""
        recent = [str(value) >= least for value in self.columns[self.names.index(column)]]
        columns = tuple(list(compress(values, recent)) for values in self.columns)
        return replace(self, columns=columns)


class TableReader:
    """Reads the answers to one command. Safe to use from many threads."""

    def __init__(self, columns: Sequence[Column], separator: str, zone: ZoneInfo) -> None:
        """Prepare for a command.

        Args:
            columns: All documented columns, in the order of the documentation.
            separator: What parts the cells.
            zone: The zone of date-times that tell no offset, held against those that do.
        """
        self._columns = columns
        self._by_name = {column.name.lower(): column for column in columns}
        self._separator = separator
        self._moments = _Moments(zone)
        quoted = r'"(?:[^"]|"")*"'
        self._quoted_line = re.compile(rf"{quoted}(?:{re.escape(separator)}{quoted})*\s*(?:\n|\Z)")

    @property
    def foreign_offset(self) -> datetime | None:
        """The first date-time, to the hour, whose UTC offset is not that of the zone."""
        return self._moments.foreign_offset

    def read(self, body: bytes, charset: str | None = None) -> Table:
        """Read a body.

        Args:
            body: The body of the answer.
            charset: The charset that the answer's header names, if it does.

        Raises:
            BrokenAnswerError: The body is not whole.
            NotCsvError: The body is something else.
            MissingColumnError: A column of the key is not there.
            CellError: A cell does not fit its column.
        """
        text = decode(body, charset)
        if not text.strip():
            return Table(blank=True)
        dialect, rows = self._rows(text)
        header = [name.strip().lower() for name in rows[0]]
        known = len(self._by_name.keys() & set(header))
        notes: list[str] = []
        if self._is_header(header):
            first_row = 1
            positions = self._positions(header, notes)
        elif known > 1:
            # Neither a header to go by nor a row: as one, it would be a row that nobody wrote.
            msg = f"The header has only {known} of {len(self._columns)} documented columns"
            raise MissingColumnError(msg)
        elif len(header) == len(self._columns) and self._is_all_quoted(text):
            first_row = 0
            positions = {column.name: at for at, column in enumerate(self._columns)}
            notes.append("The answer has no header, so its columns are taken by their position")
        else:
            raise _not_csv(text)
        cells = list(zip(*rows[first_row:], strict=True)) or [()] * len(header)
        wanted = [column for column in self._columns if column.wanted and column.name in positions]
        converted = []
        for column in wanted:
            convert = self._converter(column)
            try:
                converted.append(convert(cells[positions[column.name]]))
            except _UnfitError as error:
                line = dialect.line_of(text, self._separator, first_row + error.row)
                raise _cell_error(column, error, line) from None
        names = tuple(column.name for column in wanted)
        return Table(names, tuple(converted), tuple(notes))

    def raw(self, body: bytes, charset: str | None = None) -> tuple[bool, list[list[str]]]:
        """Return whether quotes are doubled, and the cells as they are written, header included.

        Raises:
            TapCobrowserError: If `read` cannot read it either.
        """
        dialect, rows = self._rows(decode(body, charset))
        return isinstance(dialect, _Doubled), rows

    def _rows(self, text: str) -> tuple[_Dialect, list[list[str]]]:
        """Return the cells, by the first dialect under which all rows are equally wide."""
        # A script that is stopped leaves an answer that is whole to HTTP, cut at any byte. Where
        # the header is quoted and the last line has no end, a row that is whole ends in a quote.
        header = text.split("\n", 1)[0].rstrip()
        cut = header[-1:] == '"' and text[-1] not in '"\r\n'
        for dialect in () if cut else _DIALECTS:
            try:
                rows = dialect.rows(text, self._separator)
            except csv.Error:
                continue
            if len(set(map(len, rows))) == 1:
                return dialect, rows
        if _HTML.match(text) or _JSON.match(text):
            raise _not_csv(text)
        names = [name.strip(' "').lower() for name in header.split(self._separator)]
        if self._is_header(names) or text.lstrip().startswith('"'):
            what = "The answer is not whole: a quote is open or a row has too few or too many cells"
            msg = f"{what}; it ends in {quote(text, 80, end=True)}"
            raise BrokenAnswerError(msg)
        raise _not_csv(text)

    def _is_header(self, names: Sequence[str]) -> bool:
        return len(self._by_name.keys() & set(names)) * 2 > len(self._columns)

    def _is_all_quoted(self, text: str) -> bool:
        position = 0
        while position < len(text):
            found = self._quoted_line.match(text, position)
            if not found:
                return not text[position:].strip()
            position = found.end()
        return True

    def _positions(self, header: list[str], notes: list[str]) -> dict[str, int]:
        positions: dict[str, int] = {}
        for at, name in enumerate(header):
            if column := self._by_name.get(name):
                if column.name in positions:
                    msg = f"The answer has the column '{column.name}' twice"
                    raise MissingColumnError(msg)
                positions[column.name] = at
        unknown = sorted(quote(name, 40) for name in header if name not in self._by_name)
        if unknown:
            notes.append(
                f"The answer has columns that this tap does not know: {', '.join(unknown)}"
            )
        missing = [column for column in self._columns if column.name not in positions]
        for column in missing:
            if column.key:
                msg = f"The answer lacks the column '{column.name}'"
                raise MissingColumnError(msg)
        if missing:
            names = ", ".join(f"'{column.name}'" for column in missing)
            notes.append(f"The answer lacks documented columns: {names}")
        return positions

    def _converter(self, column: Column) -> Callable[[Sequence[str]], Sequence[Value]]:
        if column.kind == "string":
            return _keys if column.key else _texts
        if column.kind == "date-time":
            return self._moments.required if column.key else self._moments.optional
        return {"integer": _integers, "number": _numbers, "boolean": _booleans}[column.kind]


def _lines(text: str) -> Iterable[str]:
    """Return the lines of a text with their ends, which are line feeds and carriage returns."""
    # Splitting is faster, but knows of more ends of lines.
    if any(end in text for end in _OTHER_LINE_ENDS):
        return StringIO(text, newline="")
    if len(text) < _LARGE:
        return text.splitlines(keepends=True)
    return _lines_of_large(text)


def _lines_of_large(text: str) -> Iterator[str]:
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + _PIECE) + 1 or len(text)
        yield from text[begin:end].splitlines(keepends=True)
        begin = end


def _sparing(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield rows in which equal cells are one text, as most are: that is half of the memory."""
    known: dict[str, str] = {}
    for row in rows:
        if len(known) > _MOST_KNOWN:
            known.clear()
        yield [known.setdefault(cell, cell) for cell in row]


def decode(body: bytes, charset: str | None) -> str:
    """Return the text of a body: UTF-8 if it is that, else by the charset, else Windows-1252."""
    for encoding in ("utf-8-sig", charset):
        try:
            if encoding:
                return body.decode(encoding)
        except (UnicodeDecodeError, LookupError):  # noqa: PERF203 - twice at most
            continue
    # Five bytes mean nothing in Windows-1252; they stay visible rather than being dropped.
    return body.decode("cp1252", "backslashreplace")


class _Dialect:
    """A way to write a quote inside a quoted cell."""

    def __init__(self, lone_quote: re.Pattern[str] | None = None) -> None:
        """Take what stands for a backslash and a quote inside a cell, instead of ending it."""
        self._lone_quote = lone_quote

    def rows(self, text: str, separator: str) -> list[list[str]]:
        """Return the cells of all rows that are not blank.

        Raises:
            csv.Error: If the text is not of this dialect.
        """
        return [row for _, row in self._numbered(text, separator) if row]

    def line_of(self, text: str, separator: str, row: int) -> int:
        """Return the line of the text, counted from 1, in which a row begins."""
        begins = 1
        for line, cells in self._numbered(text, separator):
            if cells:
                if not row:
                    break
                row -= 1
            begins = line + 1
        return begins

    def _numbered(self, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
        mark = ""
        if self._lone_quote:
            mark = next(chr(code) for code in range(0xE000, 0xF900) if chr(code) not in text)
            text = self._lone_quote.sub(mark, text)
        reader = csv.reader(_lines(text), delimiter=separator, strict=True)
        for row in reader:
            if mark:
                yield reader.line_num, [cell.replace(mark, '\\"') for cell in row]
            else:
                yield reader.line_num, row


class _Doubled(_Dialect):
    """Quotes are doubled: RFC 4180, and by far the fastest to read."""

    @override
    def rows(self, text: str, separator: str) -> list[list[str]]:
        reader = csv.reader(_lines(text), delimiter=separator, strict=True)
        rows = list(reader if len(text) < _LARGE else _sparing(reader))
        return rows if all(rows) else [row for row in rows if row]


_DIALECTS = (
    _Doubled(),
    # PHP's fputcsv does not double a quote that follows a backslash
    _Dialect(re.compile(r'\\"')),
    # the same where a text ends in a backslash, so that the quote after it does end the cell
    _Dialect(re.compile(r'\\"(?!\s*(?:[;,:|\r\n]|\Z))')),
)


class _UnfitError(Exception):
    """A cell that does not fit."""

    def __init__(self, row: int, cell: str, wanted: str) -> None:
        super().__init__(wanted)
        self.row, self.cell, self.wanted = row, cell, wanted


def _cell_error(column: Column, error: _UnfitError, line: int) -> CellError:
    where = f"line {line}, column '{column.name}'"
    what = (
        f"{quote(error.cell, 60)} is not {error.wanted}"
        if error.cell
        else f"is empty, not {error.wanted}"
    )
    if column.key:
        advice = "The column is part of the key, so rows would be lost; ask CoBrowser.net about it."
    else:
        advice = "To go on without the column, deselect it in the catalog."
    return CellError(what, where=where, advice=advice)


def _not_csv(text: str) -> NotCsvError | BrokenAnswerError:
    if _HTML.match(text):
        return BrokenAnswerError(f"The answer is a page of HTML: {quote(text)}")
    if _PHP_ERROR.search(text):
        return BrokenAnswerError(f"The answer is an error of the server's own: {quote(text)}")
    kind = "JSON" if _JSON.match(text) else "text"
    return NotCsvError(f"The answer is {kind}, not CSV: {quote(text)}")


def _each(cells: Sequence[str], convert: Callable[[str], Value], wanted: str) -> list[Value]:
    """Convert cell by cell, to take the unusual spellings and to find the one that is wrong."""
    values: list[Value] = []
    for row, cell in enumerate(cells):
        try:
            values.append(convert(cell))
        except (ValueError, OverflowError, InvalidOperation):  # noqa: PERF203 - the slow path
            raise _UnfitError(row, cell, wanted) from None
    return values


def _keys(cells: Sequence[str]) -> Sequence[Value]:
    return cells


def _texts(cells: Sequence[str]) -> Sequence[Value]:
    return [cell or None for cell in cells] if "" in cells else cells


def _integers(cells: Sequence[str]) -> Sequence[Value]:
    digits = "".join(cells)
    if not digits:
        return [None] * len(cells)
    # 19: the digits of the largest 64-bit integer; of thousands, Python itself would make none
    if digits.isascii() and digits.isdigit() and max(map(len, cells)) < 19:  # noqa: PLR2004
        if "" in cells:
            return [int(cell) if cell else None for cell in cells]
        return list(map(int, cells))
    return _each(cells, _integer, "an integer")


def _integer(cell: str) -> int | None:
    if not cell:
        return None
    number = Decimal(_plain(cell))
    if number != number.to_integral_value() or abs(number) > _LARGEST_INTEGER:
        raise ValueError
    return int(number)


def _numbers(cells: Sequence[str]) -> Sequence[Value]:
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
    if not cell:
        return None
    number = float(_plain(cell))
    if not math.isfinite(number):
        raise ValueError
    return number


def _plain(cell: str) -> str:
    """Return the cell if it is a number in ASCII digits, which Python's own parsers do not ask."""
    if not re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", cell, re.ASCII):
        raise ValueError
    return cell


_TRUTHS: Mapping[str, bool | None] = {"1": True, "0": False, "true": True, "false": False, "": None}


def _booleans(cells: Sequence[str]) -> Sequence[Value]:
    return _each(cells, _boolean, "1 or 0")


def _boolean(cell: str) -> bool | None:
    try:
        return _TRUTHS[cell.lower()]
    except KeyError:
        raise ValueError from None


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_RFC_2822 = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )? ?(\d{1,2}) "
    rf"({'|'.join(_MONTHS)})[a-z]* (\d{{4}}) (\d\d):(\d\d)(?::(\d\d))?(?: ([+-]\d{{4}}|[A-Z]+))?",
    re.ASCII | re.IGNORECASE,
)
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_UNIX_SECONDS = re.compile(r"\d{9,10}", re.ASCII)
# MySQL's zero date, and what PHP makes of it: 30 November of the year before the first
_ZERO_DATE = re.compile(r"0|0000-00-00.*|-0001-11-30.*|(?:\w{3}, )?30 Nov -0001.*", re.ASCII)
# RFC 2822, section 4.3
_ZONE_NAMES = {"UT": 0, "GMT": 0, "UTC": 0, "Z": 0, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6}
_ZONE_NAMES |= {"MDT": -6, "MST": -7, "PDT": -7, "PST": -8}
_MINUTES = {f":{m:02}:{s:02}": f":{m:02}:{s:02}+00:00" for m in range(60) for s in range(60)}
_A_DAY = timedelta(days=1)


class _Moments:
    """Date-times, from the ways in which the API may write them to ISO 8601 in UTC.

    Attributes:
        foreign_offset: The first date-time whose offset is not that of the zone, as written.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._hours = _Hours(self)
        self.foreign_offset: datetime | None = None

    def required(self, cells: Sequence[str]) -> Sequence[Value]:
        """Convert the cells of a column that must not have an empty one."""
        values = self.optional(cells)
        if None in values:
            row = values.index(None)
            raise _UnfitError(row, cells[row], "a date-time")
        return values

    def optional(self, cells: Sequence[str]) -> Sequence[Value]:
        """Convert the cells of a column."""
        hours, minutes = self._hours, _MINUTES
        try:
            # `Wed, 14 Mar 2012 16` + ` +0100`, and `:16:11`: nearly all hours are known already
            return [
                hours[cell[:19] + cell[25:]] + minutes[cell[19:25]] if cell else None
                for cell in cells
            ]
        except KeyError:
            return _each(cells, self._moment, "a date-time")

    def _moment(self, cell: str) -> str | None:
        cell = cell.strip()
        if not cell or _ZERO_DATE.fullmatch(cell):
            return None
        return self.parse(cell).isoformat()

    def parse(self, cell: str) -> datetime:
        """Return the moment in UTC.

        Raises:
            ValueError: If it is not written in one of the ways.
        """
        if _UNIX_SECONDS.fullmatch(cell):
            return datetime.fromtimestamp(int(cell), timezone.utc)
        if found := _RFC_2822.fullmatch(cell):
            day, month, year, hour, minute, second, offset = found.groups()
            month = _MONTHS.index(month.title()) + 1
            fraction = None
        elif found := _ISO_8601.fullmatch(cell):
            year, month, day, hour, minute, second, fraction, offset = found.groups()
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
        """Hold an offset against the zone's, except near a clock change, where servers differ."""
        if self.foreign_offset or moment.utcoffset() == moment.astimezone(self._zone).utcoffset():
            return
        around = (moment - _A_DAY, moment + _A_DAY)
        before, after = (near.astimezone(self._zone).utcoffset() for near in around)
        if before == after:
            self.foreign_offset = moment


class _Hours(dict[str, str]):
    """Hours in RFC 2822 that were met, with the beginning of their ISO 8601 in UTC."""

    # a year of hours; what is met is near to what was met last
    _MOST = 9_000

    def __init__(self, moments: _Moments) -> None:
        super().__init__()
        self._moments = moments

    def __missing__(self, hour: str) -> str:
        """Work out an hour.

        Raises:
            KeyError: If it has to be parsed with its minutes, or is no hour.
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
