"""From the body of a response to typed rows, or to an error that says why there are none.

The whole body is parsed and checked before the first of its rows is used.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    MissingColumnError,
    NotCsvError,
    TapCobrowserError,
)
from tap_cobrowser.models import Column, Command, Form, Notice, Table, Value
from tap_cobrowser.reading import cells as convert
from tap_cobrowser.reading.cells import Moments, UnfitError
from tap_cobrowser.reading.quoting import Layout, Misfit, Rows, fit, line_of
from tap_cobrowser.reading.text import Head, Text, count_named, head_of, says_nothing, text_of
from tap_cobrowser.redaction import quote, quote_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

_T = TypeVar("_T")

_HTML = re.compile(r"\s*<")
_JSON = re.compile(r"\s*[{\[]")
_PHP_ERROR = re.compile(r"(?:Fatal error|Parse error|Warning|Notice|Deprecated|Exception)\b")
_WAYS = {
    "addslashes": "as PHP's `addslashes` does, with a backslash before quotes and apostrophes",
    "fputcsv": "as PHP's `fputcsv` does, without doubling quotes behind a backslash",
    "bare": "without escaping the quotes in them",
}


class TableReader:
    """Reads the responses to one command."""

    def __init__(self, command: Command, separator: str, zone: ZoneInfo) -> None:
        """Prepare; `separator` is requested, `zone` is that of date-times without an offset."""
        self._command = command
        self._by_name = {column.name.lower(): column for column in command.columns}
        self._separator = separator
        self._moments = Moments(zone)

    def read(self, body: bytes, charset: str | None = None) -> Table:
        """Read a body; `charset` is that in `Content-Type`.

        Raises:
            BrokenResponseError: If the body is incomplete, or is an HTML page.
            NotCsvError: If the body is not CSV.
            MissingColumnError: If a key column is missing or present twice.
            CellError: If a cell does not fit its column.
        """
        text = text_of(body, charset)
        if layout := self.layout(text):
            way, rows = self.fit(layout, lambda found: list(chain.from_iterable(found)), keeps=True)
            return self.table(layout, way, rows)
        return Table(nothing=True, form=Form(text.encoding))

    # The steps of `read`, which files take one by one

    def layout(self, text: Text) -> Layout | None:
        """Return what the first lines of a text show; None if it says that there are no rows.

        Raises:
            BrokenResponseError: If the text is an HTML page.
            NotCsvError: If it is not CSV.
            MissingColumnError: If a key column is missing or present twice.
        """
        columns = self._command.columns
        every = {column.name: at for at, column in enumerate(columns)}
        start = text.start
        if says_nothing(start) and not text.has_nul:
            return None
        head = head_of(start, self._by_name, self._separator)
        known = count_named(head.names, self._by_name)
        if known * 2 > len(columns):
            return self._with_header(text, start, head)
        if known > 1:
            # With these names it is no row, and with so few of them no usable header.
            msg = f"The header has only {known} of {len(columns)} documented columns"
            raise MissingColumnError(msg)
        if not start.startswith('"', head.begin):
            raise _not_csv(start)
        said = "The response has no header, so its columns are taken by position"
        notices = (Notice("no header", said),)
        return Layout(text, head.begin, head.separator, len(columns), every, notices=notices)

    def _with_header(self, text: Text, start: str, head: Head) -> Layout:
        positions, notices = self._positions(head.names)
        if head.separator != self._separator:
            said = (
                f"The response separates its cells with {head.separator!r} instead of "
                f"{self._separator!r}, and is read so"
            )
            notices.append(Notice("separator", said, logging.INFO))
        begin = len(start) if says_nothing(start[head.end :]) else head.end
        width = len(head.names) - (not head.names[-1])
        return Layout(text, begin, head.separator, width, positions, head.names, tuple(notices))

    def _positions(self, names: Sequence[str]) -> tuple[dict[str, int], list[Notice]]:
        positions: dict[str, int] = {}
        unknown: list[str] = []
        for at, name in enumerate(names):
            if column := self._by_name.get(name.lower()):
                if column.name in positions:
                    msg = f"The response has the column '{column.name}' twice"
                    raise MissingColumnError(msg)
                positions[column.name] = at
            elif name or at < len(names) - 1:
                unknown.append(quote(name, 40))
        missing = [column for column in self._command.columns if column.name not in positions]
        for column in missing:
            if column.key:
                msg = f"The response lacks the column '{column.name}'"
                raise MissingColumnError(msg)
        notices = []
        if unknown:
            said = f"The response has columns that this tap does not know: {', '.join(unknown)}"
            notices.append(Notice("unknown columns", said))
        if missing:
            absent = ", ".join(f"'{column.name}'" for column in missing)
            notices.append(
                Notice("missing columns", f"The response lacks documented columns: {absent}")
            )
        return positions, notices

    def fit(
        self, layout: Layout, use: Callable[[Iterator[Rows]], _T], *, keeps: bool = False
    ) -> tuple[str, _T]:
        """Return the way of quoting, and what is made of the rows; see `quoting.fit`.

        Raises:
            BrokenResponseError: If the text is incomplete.
            NotCsvError: If it is not CSV.
            MissingColumnError: If it has no header, where a row could not be told from one.
        """
        try:
            way, used = fit(layout, use, keeps=keeps)
        except Misfit as misfit:
            raise _misfit_error(layout, misfit) from None
        if not layout.names and not any(
            column.wanted and column.kind != "string" for column in self._command.columns
        ):
            msg = (
                "The response has no documented header; its columns cannot be taken by position, "
                "because a header in another language would become a row"
            )
            raise MissingColumnError(msg)
        return way, used

    def table(self, layout: Layout, way: str, rows: Rows, before: int = 0) -> Table:
        """Return rows, which are removed from their list, with values of the columns' types.

        There are so many rows `before` them in the text.

        Raises:
            BrokenResponseError: If one of the rows is a header.
            CellError: If a cell does not fit its column.
        """
        columns = list(zip(*rows, strict=True)) or [()] * (layout.width + 1)
        rows.clear()  # their cells are in the columns now
        if layout.names and (row := _another_header(layout, columns)) is not None:
            msg = "The response repeats its header, as if several exports were joined"
            raise BrokenResponseError(msg, where=f"line {line_of(layout, way, before + row)}")
        notices = [*layout.notices, *_notices(layout, way, columns)]
        values: dict[str, Sequence[Value]] = {}
        cells = {name: columns[at] for name, at in layout.positions.items()}
        del columns
        for column in self._command.columns:
            if not column.wanted or column.name not in cells:
                continue
            try:
                values[column.name], notice = self._values(column, cells)
            except UnfitError as error:
                line = line_of(layout, way, before + error.row)
                raise _cell_error(column, error, line) from None
            notices += [notice] if notice else []
            if column.kind == "date-time":
                del cells[column.name]  # before others are converted: they take most memory
        by_kind = {notice.kind: notice for notice in notices}
        names, found = tuple(values), tuple(values.values())
        return Table(names, found, tuple(by_kind.values()), form=layout.form(way))

    def _values(
        self, column: Column, cells: dict[str, tuple[str, ...]]
    ) -> tuple[Sequence[Value], Notice | None]:
        """Return the values of a column, and what is unusual about them."""
        own = cells[column.name]
        if column.kind == "string":
            return own if column.key else convert.texts(own), None
        if column.kind == "boolean":
            return convert.booleans(own), None
        if column.kind == "date-time":
            values, is_unsure = self._moments.values(own)
            if column.key and None in values:
                row = values.index(None)
                raise UnfitError(row, own[row], "a date-time")
            said = (
                "Date-times without a UTC offset are in the hour that a clock change repeats, "
                "and nothing tells which of the two hours they are of: the tap takes the first"
            )
            return values, Notice("repeated hour", said) if is_unsure else None
        to_numbers = convert.integers if column.kind == "integer" else convert.numbers
        try:
            return to_numbers(own), None
        except UnfitError:
            kinds = {each.name: each.kind for each in self._command.columns}
            numbers = [cells[name] for name in cells if kinds[name] == "number"]
            pointed = convert.with_points(own, numbers)
            if pointed is None:
                raise
        try:
            values = to_numbers(pointed)
        except UnfitError as error:
            raise UnfitError(error.row, own[error.row], error.wanted) from None
        said = "Numbers have a decimal comma instead of a decimal point"
        return values, Notice("decimal comma", said)


def _another_header(layout: Layout, columns: Sequence[Sequence[str]]) -> int | None:
    """Return the row that is a header: the rows below it may be those of another response."""
    if layout.names[1] in columns[1]:
        for row, cells in enumerate(zip(*columns, strict=True)):
            if tuple(map(str.strip, cells[1 : len(layout.names)])) == layout.names[1:]:
                return row
    return None


def _notices(layout: Layout, way: str, columns: Sequence[Sequence[str]]) -> Iterator[Notice]:
    """Yield what is unusual about how the rows are written."""
    if way in _WAYS:
        said = f"The response quotes its cells {_WAYS[way]}, and is read so"
        # Nothing proves that a text with such quotes is split in the right places.
        yield Notice("quoting", said, logging.WARNING if way == "bare" else logging.INFO)
    if layout.text.is_damaged:
        said = "The response has invalid characters, which are shown as \ufffd"
        yield Notice("invalid characters", said)
    if layout.text.has_nul or (way == "addslashes" and layout.text.has_escaped_nul):
        said = "The response has NUL characters in its texts, which no target can store: left out"
        yield Notice("NUL", said)
    if layout.has_more and len(columns) > layout.width and any(columns[-1]):
        yield Notice("unknown columns", "The response has a column without a name")


def _misfit_error(layout: Layout, misfit: Misfit) -> TapCobrowserError:
    start = layout.text.start
    if _HTML.match(start) or _JSON.match(start) or (not layout.names and misfit.row <= 0):
        return _not_csv(start)
    end = "".join(deque(layout.text.pieces(), maxlen=2))
    where = ""
    if misfit.row >= 0:
        where = f"line {line_of(layout, 'doubled', misfit.row)}"
    return BrokenResponseError(
        "The response is incomplete: a quote is not closed, or a row has too few or too many "
        f"cells; it ends with {quote(end, 80, end=True)}",
        where=where,
    )


def _cell_error(column: Column, error: UnfitError, line: int) -> CellError:
    what = (
        f"{quote_exactly(error.cell, 60)} is not {error.wanted}"
        if error.cell
        else f"the cell is empty, not {error.wanted}"
    )
    if column.key:
        advice = "The column is part of the key, so rows would be lost; ask CoBrowser.net about it."
    else:
        advice = "To continue without the column, deselect it in the catalog."
    return CellError(what, where=f"line {line}, column '{column.name}'", advice=advice)


def _not_csv(text: str) -> NotCsvError | BrokenResponseError:
    said = quote(text)
    if _HTML.match(text):
        return BrokenResponseError(f"The response is an HTML page: {said}")
    found = _PHP_ERROR.search(text)
    if found and text.find(" on line ", found.end()) >= 0:
        return BrokenResponseError(f"The response is an error message of the server: {said}")
    kind = "JSON" if _JSON.match(text) else "text"
    return NotCsvError(f"The response is {kind}, not CSV: {said}")
