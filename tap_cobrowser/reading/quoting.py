"""From text to rows of cells, in the first way of quoting that fits.

The API does not say how it quotes. A way fits if every row has the width of the header. All ways
are parsed by Python's csv module; what it does not know is converted for it, piece by piece.

A response that is cut off must not become complete in another way. A cut changes only the end: the
last row is too short, or a quote is not closed. Another way is therefore tried only if something
else does not fit.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from tap_cobrowser.models import Form
from tap_cobrowser.reading.text import count_lines

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_cobrowser.models import Notice
    from tap_cobrowser.reading.text import Text

Rows = list[list[str]]
_T = TypeVar("_T")

_FEW, _MOST_KNOWN = 10_000, 50_000
# A batch has at most so many rows, and begins with at most so many characters of text.
_MOST_ROWS, _MOST_TEXT, _FEW_ROWS = 2_000, 4 * 2**20, 250
# A quote that is not closed must not take all the memory. No cell of the API is as long.
csv.field_size_limit(4 * 2**20)

_WAYS = ("addslashes", "doubled", "fputcsv", "bare")


class Misfit(Exception):  # noqa: N818 - it is no error until no way is left
    """A text is not written in a way of quoting; `is_cut` if it may be the beginning of one.

    `row` is the first one that does not fit, counted from 0; -1 if that is not known.
    """

    def __init__(self, row: int = -1, *, is_cut: bool = False) -> None:
        """Initialize the error."""
        super().__init__(row)
        self.row, self.is_cut = row, is_cut


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first lines of a text show about its rows.

    Attributes:
        begin: The number of characters above the first row.
        width: The number of columns, without an empty one that a trailing separator makes.
        positions: For each documented column, its position in a row.
        names: The names in the header; empty without a header, where every cell has to be quoted.
        notices: What is unusual about them.
    """

    text: Text
    begin: int
    separator: str
    width: int
    positions: Mapping[str, int]
    names: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def has_more(self) -> bool:
        """Whether the header has a column without a name behind the others."""
        return len(self.names) > self.width

    def form(self, way: str) -> Form:
        """Return how the text is written."""
        return Form(self.text.encoding, self.separator, way)


def fit(
    layout: Layout, use: Callable[[Iterator[Rows]], _T], *, keeps: bool = False
) -> tuple[str, _T]:
    """Return the first way of quoting that fits, and what is made of its rows.

    `use` is called with the rows in each way, in batches, until a way fits. If it `keeps` all of
    them in memory, equal cells have to be one object.

    Raises:
        Misfit: If the text is incomplete, or no way fits.
    """
    misfits: dict[str, Misfit] = {}
    for way in _WAYS if layout.text.has_backslash else ("doubled", "bare"):
        try:
            return way, use(batches(layout, way, keeps=keeps))
        except Misfit as misfit:
            misfits[way] = misfit.with_traceback(None)  # which would keep all rows
        is_cut = any(misfit.is_cut for misfit in misfits.values())
        # A backslash at the end of a last cell looks like a cut in `addslashes`, too.
        if is_cut and not (
            (way == "addslashes" and layout.text.is_ended)
            or (way == "doubled" and _ends_like_fputcsv(layout))
        ):
            break
    raise misfits.get("doubled") or misfits["addslashes"]


def batches(layout: Layout, way: str, *, keeps: bool = False) -> Iterator[Rows]:
    """Yield the rows in batches, without blank lines; see `fit`.

    Raises:
        Misfit: If the text is not written in this way.
    """
    seen = _Seen(counts_quotes=not layout.names or way == "addslashes")
    rows: Iterator[list[str]] = filter(None, _reader(layout, way, seen))
    rows = _sparing(rows) if keeps else rows
    count = width = cells = quotes = 0
    last = ""
    while True:
        batch, error = _next_batch(rows, seen)
        if not width:  # a separator may end each row
            width = layout.width + (bool(batch) and len(batch[0]) == layout.width + 1)
        for at, row in enumerate(batch) if set(map(len, batch)) != {width} else ():
            if len(row) != width:
                is_last = at == len(batch) - 1 and not error and _next_batch(rows, seen) == ([], "")
                raise Misfit(count + at, is_cut=is_last and len(row) < width)
        if error:
            raise Misfit(count + len(batch), is_cut=error == "unexpected end of data")
        if not batch:
            break
        if width > layout.width and not layout.has_more and any(row[-1] for row in batch):
            raise Misfit(count)
        if seen.counts_quotes:
            cells += len(batch) * layout.width + sum(any(row[layout.width :]) for row in batch)
            quotes += sum("".join(row).count('"') for row in batch)
            last = batch[-1][layout.width - 1]
        count += len(batch)
        yield batch
    # A cell has two quotes, and two more for each quote in its value.
    unquoted = cells + quotes - seen.quotes // 2
    if cells and (unquoted or (way == "addslashes" and seen.escaped != quotes)):
        is_cut = unquoted == 1 and not last
        raise Misfit(count - 1 if is_cut else -1, is_cut=is_cut)


def _sparing(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield rows; behind the first ones, equal cells are one object, to save memory."""
    known: dict[str, str] = {}
    yield from islice(rows, _FEW)
    for row in rows:
        if len(known) > _MOST_KNOWN:
            known.clear()
        yield [known.setdefault(cell, cell) for cell in row]


def _next_batch(rows: Iterator[list[str]], seen: _Seen) -> tuple[Rows, str]:
    """Return some rows, and what is wrong with the one behind them, if anything."""
    batch: Rows = []
    most = seen.characters + _MOST_TEXT
    try:
        while len(batch) < _MOST_ROWS and seen.characters <= most:
            before = len(batch)
            batch.extend(islice(rows, _FEW_ROWS))
            if len(batch) == before:
                break
    except csv.Error as error:
        return batch, str(error)
    return batch, ""


@dataclass(slots=True)
class _Seen:
    """The characters of a text so far, its quotes, and those that `addslashes` has escaped."""

    counts_quotes: bool = False
    characters: int = 0
    quotes: int = 0
    escaped: int = 0

    def watch(self, pieces: Iterable[str]) -> Iterator[str]:
        """Count what is in pieces of a text."""
        for piece in pieces:
            self.characters += len(piece)
            if self.counts_quotes:
                self.quotes += piece.count('"')
            yield piece


def line_of(layout: Layout, way: str, row: int) -> int:
    """Return the line, counted from 1, in which a row begins."""
    begin = 0
    reader = _reader(layout, way, _Seen())
    with suppress(csv.Error, Misfit):
        for cells in reader:
            if cells:
                if not row:
                    break
                row -= 1
            begin = reader.line_num
    return 1 + count_lines(layout.text.start[: layout.begin]) + begin


def _ends_like_fputcsv(layout: Layout) -> bool:
    r"""Return whether `\""` is at the end: a quote that is not doubled, and one that closes.

    A cut of doubled quotes may leave this, too. But `fputcsv` quotes no id.
    """
    last = ""
    for piece in layout.text.pieces(layout.begin):
        last = piece
    return last.rstrip("\r\n").endswith('\\""') and not _begins_quoted(layout)


def _begins_quoted(layout: Layout) -> bool:
    return next(layout.text.pieces(layout.begin), "").startswith('"')


def _reader(layout: Layout, way: str, seen: _Seen) -> Reader:
    """Return the parser of a way."""
    if way == "addslashes":
        pieces = _from_addslashes(layout, seen)
    elif way == "fputcsv":
        pieces = _from_fputcsv(layout)
    elif way == "bare":
        pieces = _from_bare(layout)
    else:
        pieces = layout.text.pieces(layout.begin)
    # unlike `splitlines`, it splits at line feeds and carriage returns alone
    lines = (StringIO(piece, newline="") for piece in seen.watch(pieces))
    return csv.reader(chain.from_iterable(lines), delimiter=layout.separator, strict=True)


def _from_addslashes(layout: Layout, seen: _Seen) -> Iterator[str]:
    """Double the quotes that `addslashes` escapes, and remove its other escapes.

    It is a Misfit if a backslash begins none of its four escapes, or an apostrophe has none.
    """
    if not _begins_quoted(layout):
        raise Misfit
    for piece in layout.text.pieces(layout.begin):
        parts = piece.split("\\\\")
        others = "".join(parts)
        quote, apostrophe, nul = map(others.count, ('\\"', "\\'", "\\0"))
        is_cut = others.endswith("\\")  # within an escape
        escapes = quote + apostrophe + nul + is_cut
        is_whole = others.count("\\") == escapes and others.count("'") == apostrophe
        if is_cut or not is_whole:
            raise Misfit(is_cut=is_whole)
        seen.escaped += quote
        yield "\\".join(
            part.replace('\\"', '""').replace("\\'", "'").replace("\\0", "") for part in parts
        )


def _from_fputcsv(layout: Layout) -> Iterator[str]:
    r"""Double the quotes that PHP's `fputcsv` does not: those behind a backslash.

    Before a separator or a line end, such a quote closes the cell, whose value ends with the
    backslash.
    """
    within = re.compile(rf'\\"(?!{re.escape(layout.separator)}|[\r\n]|\Z)')
    for piece in layout.text.pieces(layout.begin):
        yield within.sub(r'\\""', piece)


def _from_bare(layout: Layout) -> Iterator[str]:
    """Double the quotes that are part of a value, where nothing escapes them.

    Every cell is quoted. A row has so many `";"`, and ends with the last line end between quotes
    before the next one, because the first cell of a row is an id, without quotes and line ends. It
    is a Misfit if this does not add up.
    """
    if layout.width == 1 or not _begins_quoted(layout):
        raise Misfit
    between, last = f'"{layout.separator}"', layout.width - 1
    end = rf'"{re.escape(layout.separator)}?(?:\r\n|\n|\r|\Z)'
    border = re.compile(rf'(.*)({end})"([^"\r\n]*)', re.DOTALL)

    def doubled(cells: list[str], line_end: str) -> str:
        short = border.fullmatch(cells[-1])
        if short and short[3]:  # a row of one cell
            raise Misfit
        return '"' + between.join([cell.replace('"', '""') for cell in cells]) + line_end

    rest = ""
    for piece in layout.text.pieces(layout.begin + 1):
        cells = (rest + piece).split(between)
        rows = []
        first = 0
        while first + last < len(cells) - 1:
            found = border.fullmatch(cells[first + last])
            if not found:
                raise Misfit
            rows.append(doubled([*cells[first : first + last], found[1]], found[2]))
            first += last
            cells[first] = found[3]
        rest = between.join(cells[first:])
        yield "".join(rows)
    cells = rest.split(between)
    found = re.fullmatch(rf"(.*)({end})", cells.pop(), re.DOTALL)
    if len(cells) != last or not found:
        raise Misfit
    yield doubled([*cells, found[1]], found[2])
