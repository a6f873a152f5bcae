"""From the body of a response to typed rows, or to an error that says why there are none.

The API promises CSV, but does not say how it is quoted and encoded. The whole body is parsed and
checked before the first of its rows is used. Cells are converted a column at a time, because a
check per cell would cost more than the rest of the parsing.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
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
# A script in several files puts out what stands around its tags: marks, blanks and blank lines.
_ABOVE = re.compile(r"[\ufeff \t\r\n]*")
_ENDED = re.compile(r"[^ \t\r\n](?:\r\n|\n|\r)?\Z")
_BELOW = re.compile(r"[ \t]*(?:\r\n|\n|\r)")
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\n|\r)', re.IGNORECASE)
_FIRST_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
# One line of these words only. Any other text, such as "unknown user", is an error.
_THINGS = (
    r"(?:results?|data|rows?|records?|entries|items|matches|conversations?|chats?|e-?mails?"
    r"|messages|sessions|activity|activities|statistics"
    r"|resulta(?:at|ten)|gegevens|rijen|regels|records|gesprek(?:ken)?|e-?mails?"
    r"|berichten|sessies|activiteit(?:en)?|statistieken)"
)
_DATE = r"\d[\d/-]{5,9}"
_NOTHING = re.compile(
    r"""["']?(?:(?:sorry|helaas),? )?"""
    r"""(?:(?:there (?:is|are|was|were) |er (?:is|zijn|waren|werden) )?"""
    rf"""(?:no|geen|0) (?:\w+ )?{_THINGS}"""
    r"""|(?:nothing|niets|empty(?: result| set)?|leeg)"""
    r""")(?: (?:were |was |is |are )?(?:found|available|returned|gevonden|beschikbaar|aanwezig))?"""
    r"""(?: to (?:display|show|export))?"""
    r"""(?: (?:for|in|within|voor|binnen|over) (?:(?:this|the|that|deze|die|de|het|dit) )?"""
    r"""(?:\w+ )?(?:period|range|date range|selection|interval|query|periode|selectie|datums?))?"""
    rf"""(?: (?:for|on|op|voor|between|from|van|tussen) {_DATE}(?: (?:and|to|en|tot) {_DATE})?)?"""
    r"""\s?[.!]*["']?(?: ?<br ?/?>)?""",
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
    """The rows of a response.

    Attributes:
        names: Columns of the rows, in the order of the documentation.
        columns: Their values: one sequence per column, all of the same length.
        notes: Warnings about the response, although its rows can be used.
        blank: Whether the response has nothing at all, not even a header.
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
        """Return the rows whose ISO 8601 date-time in a column is not before `least`."""
        recent = [str(value) >= least for value in self.columns[self.names.index(column)]]
        columns = tuple(list(compress(values, recent)) for values in self.columns)
        return replace(self, columns=columns)


class TableReader:
    """Reads the responses to one command. Safe to use from many threads."""

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
            separator: The separator of cells.
            zone: The zone of date-times without an offset. Other offsets are compared with it.
            quoting: What is known about how the server quotes; None if nothing is.
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
            body: The body of the response.
            charset: The charset in `Content-Type`, if there is one.

        Raises:
            BrokenAnswerError: If the body is incomplete, or is an HTML page.
            NotCsvError: If the body is not CSV.
            MissingColumnError: If a key column is missing or present twice.
            CellError: If a cell does not fit its column.
        """
        text, separator, above = self._text(body, charset)
        if not text or text.isspace():
            return Table(notes=("The response is empty, without even a header",), blank=True)
        if _says_nothing(text):
            return Table(notes=(f"The response has no rows but says {quote(text)}",), blank=True)
        written = self._written(text, separator)
        rows = written.rows
        notes = [written.note] if written.note else []
        if "\ufffd" in text and b"\xef\xbf\xbd" not in body:
            notes.append("The response has invalid characters, which are shown as \ufffd")
        header = [name.strip() for name in rows[0]]
        known = self._known(header)
        if self._is_header(header):
            first_row = 1
            positions = self._positions(rows, notes)
        elif known > 1:
            # With these names it is no row of data, and with so few of them no usable header.
            msg = f"The header has only {known} of {len(self._columns)} documented columns"
            raise MissingColumnError(msg)
        elif len(header) == len(self._columns) and not written.count_unquoted():
            first_row = 0
            positions = {column.name: at for at, column in enumerate(self._columns)}
            notes.append("The response has no header, so its columns are taken by position")
        else:
            raise _not_csv(text)
        cells = list(zip(*rows[first_row:], strict=True)) or [()] * len(header)
        if first_row and len(header) > 1 and rows[0][1] in cells[1]:
            _reject_another_header(written, above)
        try:
            converted = self._converted(cells, positions, notes)
        except _ColumnError as error:
            line = above + written.line_of(first_row + error.unfit.row)
            raise _cell_error(error.column, error.unfit, line) from None
        return Table(tuple(converted), tuple(converted.values()), tuple(dict.fromkeys(notes)))

    def raw(self, body: bytes, charset: str | None = None) -> tuple[str, list[list[str]]]:
        """Return the way of quoting, and the cells as they are written, header included.

        Raises:
            TapCobrowserError: If `read` would raise it, too.
        """
        text, separator, _ = self._text(body, charset)
        written = self._written(text, separator)
        return written.way, written.rows

    def _text(self, body: bytes, charset: str | None) -> tuple[str, str, int]:
        """Return the text, the separator, and the number of lines that were skipped above it."""
        text = decode(body, charset)
        separator = self._separator
        begin = _end_of(_ABOVE, text, 0)
        if found := _SEP_LINE.match(text, begin):
            separator = found[1] if found[1] in _SEPARATORS else separator
            begin = _end_of(_ABOVE, text, found.end())
        end = len(text)
        if not _ENDED.search(text, max(end - 3, 0)):
            last = len(text.rstrip(" \t\r\n"))
            end = _end_of(_BELOW, text, last) or end
        above = len(re.findall(r"\r\n|\n|\r", text[:begin]))
        return text[begin:end], separator, above

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
                    notes.append("Numbers have a decimal comma instead of a decimal point")
            except UnfitError as error:
                raise _ColumnError(column, error) from None
        return converted

    def _written(self, text: str, separator: str) -> Written:
        """Return the cells, in the most likely way of quoting.

        Raises:
            BrokenAnswerError: If the text is incomplete, or is an HTML page.
            NotCsvError: If the text is not CSV.
        """
        first = _FIRST_LINE.match(text)
        line = first[1].rstrip() if first else ""
        names = [name.strip(' "') for name in line.split(separator)]
        headed = self._known(names) > 1 or self._is_header(names)
        width, begin = len(self._columns), 0
        if first and headed:
            width, begin = len(names), first.end()
            if _says_nothing(text[begin : begin + _LONGEST_LINE + 1]):
                text = text[:begin]
        with suppress(QuotingError):
            written = self._quoting.read(text, separator, width, begin)
            # A script that is stopped leaves a body that is cut at any byte, but complete for HTTP.
            # If the last line has no line end and only its last cell is not quoted, it is cut.
            if text[-1] in '"\r\n' or not line.endswith('"') or written.count_unquoted() != 1:
                return written
        if _HTML.match(text) or _JSON.match(text):
            raise _not_csv(text)
        if headed or text.lstrip().startswith('"'):
            what = (
                "The response is incomplete: a quote is not closed, or a row has too few or too "
                "many cells"
            )
            msg = f"{what}; it ends with {quote(text, 80, end=True)}"
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
                    msg = f"The response has the column '{column.name}' twice"
                    raise MissingColumnError(msg)
                positions[column.name] = at
            elif name or at < len(header) - 1 or any(row[at] for row in rows):
                unknown.append(quote(name, 40))
        if unknown:
            names = ", ".join(sorted(unknown))
            notes.append(f"The response has columns that this tap does not know: {names}")
        missing = [column for column in self._columns if column.name not in positions]
        for column in missing:
            if column.key:
                msg = f"The response lacks the column '{column.name}'"
                raise MissingColumnError(msg)
        if missing:
            names = ", ".join(f"'{column.name}'" for column in missing)
            notes.append(f"The response lacks documented columns: {names}")
        return positions

    def _converter(self, column: Column) -> Callable[[Sequence[str]], Sequence[Value]]:
        if column.kind == "string":
            return keys if column.key else texts
        if column.kind == "date-time":
            return self._moments.required if column.key else self._moments.optional
        return {"integer": integers, "number": numbers, "boolean": booleans}[column.kind]


def utf_16(body: bytes) -> str:
    """Return the name of the encoding if a body is UTF-16, with or without its byte-order mark."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # The header begins with two characters of ASCII.
    even, odd = body[:4:2], body[1:4:2]
    if b"\0" not in even and odd == b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if b"\0" not in odd and even == b"\0\0" else ""


def decode(body: bytes, charset: str | None) -> str:
    """Return the text of a body.

    It is UTF-16 if it begins so; UTF-8 if all but a few bytes are valid; otherwise the charset
    decides, and without one it is Windows-1252.
    """
    if name := utf_16(body):
        return body.decode(name, "replace")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass
    # Text in another encoding has hardly any character that is valid UTF-8.
    text = body.decode("utf-8", "replace")
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
    # Five bytes are undefined in Windows-1252. They are shown as escapes rather than dropped.
    return body.decode("cp1252", "backslashreplace")


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return where a match ends, 0 if there is none."""
    found = pattern.match(text, position)
    return found.end() if found else 0


def _says_nothing(text: str) -> bool:
    """Return whether a text is one short line that says that there are no rows."""
    if len(text) > _LONGEST_LINE:
        return False
    text = text.strip()
    return bool(_NOTHING.fullmatch(re.sub(r"[ \t]+", " ", text)))


def _reject_another_header(written: Written, above: int) -> None:
    """Reject a second header: the rows below it may be those of another response."""
    for at, row in enumerate(written.rows[1:], 1):
        if row[1:] == written.rows[0][1:]:
            line = above + written.line_of(at)
            msg = f"The response repeats its header in line {line}, as if two responses were joined"
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
        else f"the cell is empty, not {error.wanted}"
    )
    if column.key:
        advice = "The column is part of the key, so rows would be lost; ask CoBrowser.net about it."
    else:
        advice = "To continue without the column, deselect it in the catalog."
    return CellError(what, where=where, advice=advice)


def _not_csv(text: str) -> NotCsvError | BrokenAnswerError:
    said = quote(text)
    if _HTML.match(text):
        return BrokenAnswerError(f"The response is an HTML page: {said}")
    found = _PHP_ERROR.search(text)
    if found and text.find(" on line ", found.end()) >= 0:
        return BrokenAnswerError(f"The response is an error message of the server: {said}")
    kind = "JSON" if _JSON.match(text) else "text"
    return NotCsvError(f"The response is {kind}, not CSV: {said}")
