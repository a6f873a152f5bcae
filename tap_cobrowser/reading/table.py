"""From the body of a response to typed rows, or to an error that says why there are none.

The whole body is parsed and checked before the first of its rows is used.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice
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
from tap_cobrowser.reading.quoting import Block, Misfit, Rows, fit, line_of
from tap_cobrowser.reading.text import (
    Head,
    Text,
    chunks_of,
    count_lines,
    count_named,
    head_of,
    open_text,
    says_nothing,
)
from tap_cobrowser.redaction import quote, quote_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first lines of a text show about its rows.

    Attributes:
        block: The rows, before they are parsed.
        line: The line in which the first row begins, counted from 1.
        names: The names in the header; empty without a header.
        positions: For each documented column, its position in a row.
        notices: What is unusual about the text.
        start: The beginning of the text, to be quoted in errors.
    """

    block: Block
    line: int
    names: tuple[str, ...]
    positions: Mapping[str, int]
    notices: tuple[Notice, ...]
    start: str

    def form(self, way: str = "doubled") -> Form:
        """Return how the text is written."""
        return Form(self.block.text.encoding, self.block.separator, way)


class TableReader:
    """Reads the responses to one command. Safe to use from many threads."""

    def __init__(self, command: Command, separator: str, zone: ZoneInfo) -> None:
        """Prepare for a command.

        Args:
            command: The command.
            separator: The separator of cells that is requested.
            zone: The zone of date-times without an offset.
        """
        self._command = command
        self._by_name = {column.name.lower(): column for column in command.columns}
        self._separator = separator
        self._moments = Moments(zone)

    def read(self, body: bytes, charset: str | None = None) -> Table:
        """Read a body.

        Args:
            body: The body of the response.
            charset: The charset in `Content-Type`, if there is one.

        Raises:
            BrokenResponseError: If the body is incomplete, or is an HTML page.
            NotCsvError: If the body is not CSV.
            MissingColumnError: If a key column is missing or present twice.
            CellError: If a cell does not fit its column.
        """
        text = open_text(lambda: chunks_of(body), charset)
        layout = self.layout(text)
        if not layout:
            return Table(nothing=True, form=Form(text.encoding))
        way, rows = self.fit(layout, _all, keeps=True)
        return self.table(layout, way, rows)

    # The steps of `read`, which files take one by one

    def layout(self, text: Text) -> Layout | None:
        """Return what the first lines of a text show; None if it says that there are no rows.

        Raises:
            BrokenResponseError: If the text is an HTML page.
            NotCsvError: If it is not CSV.
            MissingColumnError: If a key column is missing or present twice.
        """
        start = "".join(islice(text.pieces(), 2))
        if says_nothing(start) or not (start.strip("\ufeff \t\r\n") or text.has_nul):
            return None
        columns = self._command.columns
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
        block = Block(text, head.begin, head.separator, len(columns), is_quoted=True)
        positions = {column.name: at for at, column in enumerate(columns)}
        said = "The response has no header, so its columns are taken by position"
        notices = (Notice("no header", said),)
        return Layout(block, 1 + count_lines(start[: head.begin]), (), positions, notices, start)

    def _with_header(self, text: Text, start: str, head: Head) -> Layout:
        positions, notices = self._positions(head.names)
        if head.separator != self._separator:
            said = (
                f"The response separates its cells with {head.separator!r} instead of "
                f"{self._separator!r}, and is read so"
            )
            notices.append(Notice("separator", said, logging.INFO))
        has_more = not head.names[-1]
        block = Block(
            text,
            len(start) if says_nothing(start[head.end :]) else head.end,
            head.separator,
            len(head.names) - has_more,
            has_more=has_more,
        )
        line = 1 + count_lines(start[: head.end])
        return Layout(block, line, head.names, positions, tuple(notices), start)

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
            way, used = fit(layout.block, use, keeps=keeps)
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

    def table(self, layout: Layout, way: str, rows: Rows, first: int = 0) -> Table:
        """Return rows with values of the columns' types.

        Args:
            layout: What the first lines of the text show.
            way: The way of quoting.
            rows: The rows. They are removed from this list.
            first: The number of rows of the text before these.

        Raises:
            BrokenResponseError: If one of the rows is a header.
            CellError: If a cell does not fit its column.
        """
        columns = list(zip(*rows, strict=True)) or [()] * (layout.block.width + 1)
        rows.clear()  # their cells are in the columns now
        if layout.names and layout.names[1] in columns[1]:
            self._reject_another_header(layout, way, columns, first)
        notices = {notice.kind: notice for notice in _notices(layout, way, columns)}
        values: dict[str, Sequence[Value]] = {}
        for column in self._command.columns:
            if not column.wanted or column.name not in layout.positions:
                continue
            try:
                values[column.name] = self._values(column, columns, layout.positions, notices)
            except UnfitError as error:
                line = layout.line + line_of(layout.block, way, first + error.row)
                raise _cell_error(column, error, line) from None
        return Table(
            tuple(values),
            tuple(values.values()),
            tuple({**{notice.kind: notice for notice in layout.notices}, **notices}.values()),
            form=layout.form(way),
        )

    def _values(
        self,
        column: Column,
        columns: Sequence[Sequence[str]],
        positions: Mapping[str, int],
        notices: dict[str, Notice],
    ) -> Sequence[Value]:
        """Return the values of a column, and add to the notices what is unusual about them."""
        cells = columns[positions[column.name]]
        if column.kind == "string":
            return cells if column.key else convert.texts(cells)
        if column.kind == "boolean":
            return convert.booleans(cells)
        if column.kind == "date-time":
            values, is_unsure = self._moments.values(cells)
            if column.key and None in values:
                row = values.index(None)
                raise UnfitError(row, cells[row], "a date-time")
            if is_unsure:
                said = (
                    "Date-times without a UTC offset are in the hour that a clock change repeats, "
                    "and nothing tells which of the two hours they are of: the tap takes the first"
                )
                notices["repeated hour"] = Notice("repeated hour", said)
            return values
        to_numbers = convert.integers if column.kind == "integer" else convert.numbers
        try:
            return to_numbers(cells)
        except UnfitError:
            numbers = [
                columns[positions[each.name]]
                for each in self._command.columns
                if each.kind == "number" and each.name in positions
            ]
            pointed = convert.with_points(cells, numbers)
            if pointed is None:
                raise
        try:
            values = to_numbers(pointed)
        except UnfitError as error:
            raise UnfitError(error.row, cells[error.row], error.wanted) from None
        said = "Numbers have a decimal comma instead of a decimal point"
        notices["decimal comma"] = Notice("decimal comma", said)
        return values

    @staticmethod
    def _reject_another_header(
        layout: Layout, way: str, columns: Sequence[Sequence[str]], first: int
    ) -> None:
        """Reject a second header: the rows below it may be those of another response."""
        for row, cells in enumerate(zip(*columns, strict=True)):
            if tuple(map(str.strip, cells[1 : len(layout.names)])) == layout.names[1:]:
                line = layout.line + line_of(layout.block, way, first + row)
                msg = "The response repeats its header, as if several exports were joined"
                raise BrokenResponseError(msg, where=f"line {line}")


def _all(batches: Iterator[Rows]) -> Rows:
    return list(chain.from_iterable(batches))


def _notices(layout: Layout, way: str, columns: Sequence[Sequence[str]]) -> Iterator[Notice]:
    """Yield what is unusual about how the rows are written."""
    text = layout.block.text
    if way in _WAYS:
        said = f"The response quotes its cells {_WAYS[way]}, and is read so"
        # Nothing proves that a text with such quotes is split in the right places.
        yield Notice("quoting", said, logging.WARNING if way == "bare" else logging.INFO)
    if text.is_damaged:
        said = "The response has invalid characters, which are shown as \ufffd"
        yield Notice("invalid characters", said)
    if text.has_nul or (way == "addslashes" and text.has_escaped_nul):
        said = "The response has NUL characters in its texts, which no target can store: left out"
        yield Notice("NUL", said)
    if layout.block.has_more and len(columns) > layout.block.width and any(columns[-1]):
        yield Notice("unknown columns", "The response has a column without a name")


def _misfit_error(layout: Layout, misfit: Misfit) -> TapCobrowserError:
    start = layout.start
    if _HTML.match(start) or _JSON.match(start) or (not layout.names and misfit.row <= 0):
        return _not_csv(start)
    end = "".join(deque(layout.block.text.pieces(), maxlen=2))
    where = ""
    if misfit.row >= 0:
        where = f"line {layout.line + line_of(layout.block, 'doubled', misfit.row)}"
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
