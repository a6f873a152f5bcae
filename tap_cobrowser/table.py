"""Turns the body of an answer into typed rows, or says why that cannot be done.

The API promises a CSV and leaves open how it is quoted, encoded and dated. A body is read whole
and checked before the first of its rows is used. Cells are converted a column at a time, since a
check per cell would cost more than the rest of the reading.
"""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import dataclass, replace
from io import StringIO
from itertools import compress
from typing import TYPE_CHECKING

from tap_cobrowser.cells import (
    Moments,
    UnfitError,
    Value,
    booleans,
    integers,
    keys,
    numbers,
    texts,
)
from tap_cobrowser.errors import BrokenAnswerError, CellError, MissingColumnError, NotCsvError
from tap_cobrowser.redaction import quote, redact

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

# The module's own limit of 128 KiB a cell protects nobody here: the body is in memory already.
csv.field_size_limit(2**31 - 1)

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
        self._moments = Moments(zone)
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
            except UnfitError as error:
                line = dialect.line_of(text, self._separator, first_row + error.row)
                raise _cell_error(column, error, line) from None
        names = tuple(column.name for column in wanted)
        return Table(names, tuple(converted), tuple(notes))

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
            end = redact(text[-2_000:])[-80:]
            what = "The answer is not whole: a quote is open or a row has too few or too many cells"
            msg = f"{what}; it ends in {quote(end)}"
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
            return keys if column.key else texts
        if column.kind == "date-time":
            return self._moments.required if column.key else self._moments.optional
        return {"integer": integers, "number": numbers, "boolean": booleans}[column.kind]


def _lines(text: str) -> Iterable[str]:
    """Return the lines of a text with their ends, which are line feeds and carriage returns."""
    # Splitting is faster, but knows of more ends of lines.
    if any(end in text for end in _OTHER_LINE_ENDS):
        return StringIO(text, newline="")
    return text.splitlines(keepends=True)


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
        rows = list(csv.reader(_lines(text), delimiter=separator, strict=True))
        return rows if all(rows) else [row for row in rows if row]


_DIALECTS = (
    _Doubled(),
    # PHP's fputcsv does not double a quote that follows a backslash
    _Dialect(re.compile(r'\\"')),
    # the same where a text ends in a backslash, so that the quote after it does end the cell
    _Dialect(re.compile(r'\\"(?!\s*(?:[;,:|\r\n]|\Z))')),
)


def _cell_error(column: Column, error: UnfitError, line: int) -> CellError:
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
