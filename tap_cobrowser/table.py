"""Turns the body of an answer into typed rows, or says why that cannot be done.

The API promises a CSV and leaves open how it is quoted, encoded and dated. A body is read whole
and checked before the first of its rows is used. Cells are converted a column at a time, since a
check per cell would cost more than the rest of the reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
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
    with_points,
)
from tap_cobrowser.dialects import Quoting, QuotingError, Written
from tap_cobrowser.errors import BrokenAnswerError, CellError, MissingColumnError, NotCsvError
from tap_cobrowser.redaction import quote, quote_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

_SEPARATORS = ";,:|\t"
_SEP_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\n|\r)', re.IGNORECASE)
_FIRST_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
# One line of these words alone: any other, such as of an unknown user, is an error.
_THINGS = (
    r"(?:results?|data|rows?|records?|entries|items|matches|conversations?|chats?|e-?mails?"
    r"|resulta(?:at|ten)|gegevens|rijen|regels|records|gesprek(?:ken)?|e-?mails?)"
)
_NOTHING = re.compile(
    rf"""["']?(?:(?:there (?:is|are) |er zijn |er is )?(?:no|geen|0) (?:\w+ )?{_THINGS}"""
    r"""|(?:nothing|niets|empty result|empty set|leeg)"""
    r""")(?: (?:were |was |is |are )?(?:found|available|returned|gevonden|beschikbaar|aanwezig))?"""
    r"""(?: (?:for|in|within|voor|binnen|over) (?:(?:this|the|that|deze|die|de|het|dit) )?"""
    r"""(?:\w+ )?(?:period|range|date range|selection|interval|periode|selectie|datums?))?"""
    r"""\s?[.!]*["']?""",
    re.IGNORECASE,
)
_LONGEST_LINE = 100
_HTML = re.compile(r"\s*<")
_JSON = re.compile(r"\s*[{\[]")
_PHP_ERROR = re.compile(r"(?:Fatal error|Parse error|Warning|Notice|Deprecated|Exception)\b")


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

    def __init__(
        self,
        columns: Sequence[Column],
        separator: str,
        zone: ZoneInfo,
        quoting: Quoting | None = None,
    ) -> None:
        """Prepare for a command.

        Args:
            columns: All documented columns, in the order of the documentation.
            separator: What parts the cells.
            zone: The zone of date-times that tell no offset, held against those that do.
            quoting: What is known about how the server quotes; nothing if it is None.
        """
        self._quoting = quoting or Quoting()
        self._columns = columns
        self._by_name = {column.name.lower(): column for column in columns}
        self._separator = separator
        self._moments = Moments(zone)

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
        text, separator, above = self._text(body, charset)
        broken = "\ufffd" in text and b"\xef\xbf\xbd" not in body
        del body  # which can be large, as can what is made of it
        if not text.strip():
            return Table(notes=("The response is empty, without even a header",), blank=True)
        if _says_nothing(text):
            return Table(notes=(f"The response has no rows but says {quote(text)}",), blank=True)
        written = self._written(text, separator)
        rows = written.rows
        notes = [written.note] if written.note else []
        if broken:
            notes.append("The response has broken characters, which are shown as \ufffd")
        header = [name.strip() for name in rows[0]]
        known = self._known(header)
        if self._is_header(header):
            first_row = 1
            positions = self._positions(rows, notes)
        elif known > 1:
            # Neither a header to go by nor a row: as one, it would be a row that nobody wrote.
            msg = f"The header has only {known} of {len(self._columns)} documented columns"
            raise MissingColumnError(msg)
        elif len(header) == len(self._columns) and written.is_all_quoted():
            first_row = 0
            positions = {column.name: at for at, column in enumerate(self._columns)}
            notes.append("The answer has no header, so its columns are taken by their position")
        else:
            raise _not_csv(text)
        cells = list(zip(*rows[first_row:], strict=True)) or [()] * len(header)
        if first_row and len(header) > 1 and rows[0][1] in cells[1]:
            _reject_another_header(written, above)
        rows.clear()  # their cells are in the columns now
        try:
            converted = self._converted(cells, positions, notes)
        except _ColumnError as error:
            line = above + written.line_of(first_row + error.unfit.row)
            raise _cell_error(error.column, error.unfit, line) from None
        return Table(tuple(converted), tuple(converted.values()), tuple(dict.fromkeys(notes)))

    def raw(self, body: bytes, charset: str | None = None) -> tuple[str, list[list[str]]]:
        """Return the way of quoting, and the cells as they are written, header included.

        Raises:
            TapCobrowserError: If `read` cannot read it either.
        """
        text, separator, _ = self._text(body, charset)
        written = self._written(text, separator)
        return written.way, written.rows

    def _text(self, body: bytes, charset: str | None) -> tuple[str, str, int]:
        """Return the text, what separates its cells, and how many lines above are left out."""
        text = decode(body, charset)
        found = _SEP_LINE.match(text)
        if not found:
            return text, self._separator, 0
        separator = found[1] if found[1] in _SEPARATORS else self._separator
        return text[found.end() :], separator, 1

    def _converted(
        self, cells: Sequence[Sequence[str]], positions: Mapping[str, int], notes: list[str]
    ) -> dict[str, Sequence[Value]]:
        """Return the values of all wanted columns.

        Raises:
            _ColumnError: If a cell does not fit its column.
        """
        converted = {}
        for column in self._columns:
            if not column.wanted or column.name not in positions:
                continue
            convert, found = self._converter(column), cells[positions[column.name]]
            try:
                try:
                    converted[column.name] = convert(found)
                except UnfitError:
                    numbers = [
                        cells[positions[each.name]]
                        for each in self._columns
                        if each.kind == "number" and each.name in positions
                    ]
                    pointed = with_points(found, numbers)
                    if column.kind not in {"integer", "number"} or pointed is None:
                        raise
                    converted[column.name] = convert(pointed)
                    notes.append("Numbers have a comma in the place of the decimal point")
            except UnfitError as error:
                raise _ColumnError(column, error) from None
        return converted

    def _written(self, text: str, separator: str) -> Written:
        """Return the cells, as the likeliest way of quoting has them.

        Raises:
            BrokenAnswerError: The text is not whole.
            NotCsvError: The text is something else.
        """
        first = _FIRST_LINE.match(text, len(text) - len(text.lstrip("\r\n")))
        line = first[1].rstrip() if first else ""
        names = [name.strip(' "') for name in line.split(separator)]
        headed = self._known(names) > 1 or self._is_header(names)
        width, begin = len(self._columns), 0
        if first and headed:
            width, begin = len(names), first.end()
            if _says_nothing(text[begin:]):
                text = text[:begin]
        # A script that is stopped leaves a response that is whole to HTTP, cut at any byte. Where
        # the header is quoted and the last line has no end, a row that is whole ends in a quote.
        if not (line.endswith('"') and text[-1] not in '"\r\n'):
            try:
                return self._quoting.read(text, separator, width, begin)
            except QuotingError:
                pass
        if _HTML.match(text) or _JSON.match(text):
            raise _not_csv(text)
        if headed or text.lstrip().startswith('"'):
            what = "The answer is not whole: a quote is open or a row has too few or too many cells"
            msg = f"{what}; it ends in {quote(text, 80, end=True)}"
            raise BrokenAnswerError(msg)
        raise _not_csv(text)

    def _known(self, names: Sequence[str]) -> int:
        return len(self._by_name.keys() & {name.lower() for name in names})

    def _is_header(self, names: Sequence[str]) -> bool:
        return self._known(names) * 2 > len(self._columns)

    def _positions(self, rows: Sequence[Sequence[str]], notes: list[str]) -> dict[str, int]:
        positions: dict[str, int] = {}
        unknown: list[str] = []
        header = [name.strip() for name in rows[0]]
        for at, name in enumerate(header):
            if column := self._by_name.get(name.lower()):
                if column.name in positions:
                    msg = f"The answer has the column '{column.name}' twice"
                    raise MissingColumnError(msg)
                positions[column.name] = at
            elif name or at < len(header) - 1 or any(row[at] for row in rows):
                unknown.append(quote(name, 40))
        if unknown:
            names = ", ".join(sorted(unknown))
            notes.append(f"The answer has columns that this tap does not know: {names}")
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


def decode(body: bytes, charset: str | None) -> str:
    """Return the text of a body.

    It is UTF-16 if it begins with the byte-order mark of it, UTF-8 if it is that but for single
    bytes, else by the charset, else Windows-1252.
    """
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    # Text in another encoding has hardly a character that is UTF-8 as well.
    text = body.decode("utf-8-sig", "replace")
    broken = text.count("\ufffd")
    beyond_ascii = sum(not character.isascii() for character in text)
    says_so = (charset or "").lower().replace("-", "").replace("_", "") == "utf8"
    if says_so or beyond_ascii >= 2 * broken:
        return text
    try:
        if charset:
            return body.decode(charset)
    except (UnicodeDecodeError, LookupError):
        pass
    # Five bytes mean nothing in Windows-1252; they stay visible rather than being dropped.
    return body.decode("cp1252", "backslashreplace")


def _says_nothing(text: str) -> bool:
    """Return whether a text is one short line that says that there are no rows."""
    text = text.strip()
    return len(text) < _LONGEST_LINE and bool(_NOTHING.fullmatch(text))


def _reject_another_header(written: Written, above: int) -> None:
    """Reject a table within a table: its header is no row, and its rows may be those of others."""
    for at, row in enumerate(written.rows[1:], 1):
        if row[1:] == written.rows[0][1:]:
            line = above + written.line_of(at)
            msg = f"The response has its header again in line {line}, as if two were put together"
            raise BrokenAnswerError(msg)


class _ColumnError(Exception):
    """A cell does not fit its column."""

    def __init__(self, column: Column, unfit: UnfitError) -> None:
        super().__init__(column.name)
        self.column, self.unfit = column, unfit


def _cell_error(column: Column, error: UnfitError, line: int) -> CellError:
    where = f"line {line}, column '{column.name}'"
    what = (
        f"{quote_exactly(error.cell, 60)} is not {error.wanted}"
        if error.cell
        else f"is empty, not {error.wanted}"
    )
    if column.key:
        advice = "The column is part of the key, so rows would be lost; ask CoBrowser.net about it."
    else:
        advice = "To go on without the column, deselect it in the catalog."
    return CellError(what, where=where, advice=advice)


def _not_csv(text: str) -> NotCsvError | BrokenAnswerError:
    said = quote(text)
    if _HTML.match(text):
        return BrokenAnswerError(f"The answer is a page of HTML: {said}")
    found = _PHP_ERROR.search(text)
    if found and text.find(" on line ", found.end()) >= 0:
        return BrokenAnswerError(f"The answer is an error of the server's own: {said}")
    kind = "JSON" if _JSON.match(text) else "text"
    return NotCsvError(f"The answer is {kind}, not CSV: {said}")
