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

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Callable, Iterable, Iterator

    from tap_cobrowser.reading.text import Text

Rows = list[list[str]]
_T = TypeVar("_T")

_FEW, _MOST_KNOWN = 10_000, 50_000
# A batch has at most so many rows, and begins with at most so many characters of text.
_MOST_ROWS, _MOST_TEXT, _FEW_ROWS = 2_000, 4 * 2**20, 250
# A quote that is not closed must not take all the memory. No cell of the API is as long.
csv.field_size_limit(4 * 2**20)

_WAYS = ("addslashes", "doubled", "fputcsv", "bare")
# `splitlines` splits at these, too.
_OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


class Misfit(Exception):  # noqa: N818 - it is no error until no way is left
    """A text is not written in a way of quoting.

    Attributes:
        row: The first row that does not fit, counted from 0; -1 if that is not known.
        is_cut: Whether the text may be the beginning of one that fits.
    """

    def __init__(self, row: int = -1, *, is_cut: bool = False) -> None:
        """Initialize the error."""
        super().__init__(row)
        self.row, self.is_cut = row, is_cut


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of a text, before they are parsed.

    Attributes:
        text: The text.
        begin: The number of characters above the first row.
        separator: The separator of cells.
        width: The number of columns, without an empty one that a trailing separator makes.
        has_more: Whether the header has a column without a name behind them.
        is_quoted: Whether every cell has to be quoted.
    """

    text: Text
    begin: int
    separator: str
    width: int
    has_more: bool = False
    is_quoted: bool = False


def fit(
    block: Block, use: Callable[[Iterator[Rows]], _T], *, keeps: bool = False
) -> tuple[str, _T]:
    """Return the first way of quoting that fits, and what is made of its rows.

    Args:
        block: The rows.
        use: Called with the rows in each way, in batches, until a way fits.
        keeps: Whether all rows are kept in memory, so that equal cells have to be one object.

    Raises:
        Misfit: If the text is incomplete, or no way fits.
    """
    misfits: dict[str, Misfit] = {}
    for way in _WAYS if block.text.has_backslash else ("doubled", "bare"):
        try:
            return way, use(batches(block, way, keeps=keeps))
        except Misfit as misfit:
            misfits[way] = misfit.with_traceback(None)  # which would keep all rows
        is_cut = any(misfit.is_cut for misfit in misfits.values())
        # A backslash at the end of a last cell looks like a cut in `addslashes`, too.
        if is_cut and not (
            (way == "addslashes" and block.text.is_ended)
            or (way == "doubled" and _ends_like_fputcsv(block))
        ):
            break
    usual = misfits.get("doubled") or misfits["addslashes"]
    raise usual


def batches(block: Block, way: str, *, keeps: bool = False) -> Iterator[Rows]:
    """Yield the rows in batches, without blank lines; see `fit`.

    Raises:
        Misfit: If the text is not written in this way.
    """
    seen = _Seen(all_quoted=block.is_quoted or way == "addslashes")
    rows: Iterator[list[str]] = filter(None, _reader(block, way, seen))
    rows = _sparing(rows) if keeps else rows
    count = width = 0
    while True:
        batch, error = _next_batch(rows, seen)
        width = width or _width(block, batch)
        for at, row in enumerate(batch) if set(map(len, batch)) != {width} else ():
            if len(row) != width:
                is_last = at == len(batch) - 1 and not error and _is_end(rows)
                raise Misfit(count + at, is_cut=is_last and len(row) < width)
        if error:
            raise Misfit(count + len(batch), is_cut=error == "unexpected end of data")
        if not batch:
            break
        if width > block.width and not block.has_more and any(row[-1] for row in batch):
            raise Misfit(count)
        if seen.all_quoted:
            seen.expect(batch, block.width)
        count += len(batch)
        yield batch
    seen.check(count - 1, escaped=way == "addslashes")


def _sparing(rows: Iterable[list[str]]) -> Iterator[list[str]]:
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


class _Seen:
    """What the text had so far, and what was made of it.

    In a way in which all cells are quoted, each cell has two quotes, and two more for each quote in
    its value.

    Attributes:
        all_quoted: Whether all cells have to be quoted.
        characters: The number of characters.
        quotes: The number of quotes, if all cells have to be quoted.
        escaped: The number of those that `addslashes` has escaped.
    """

    def __init__(self, *, all_quoted: bool = False) -> None:
        self.all_quoted = all_quoted
        self.characters = self.quotes = self.escaped = 0
        self._cells = self._inner = 0
        self._last = ""

    def watch(self, pieces: Iterable[str]) -> Iterator[str]:
        """Count what is in pieces of a text."""
        for piece in pieces:
            self.characters += len(piece)
            if self.all_quoted:
                self.quotes += piece.count('"')
            yield piece

    def expect(self, rows: Rows, width: int) -> None:
        """Count the cells of rows, and raise an error if there were too few quotes for them."""
        self._cells += len(rows) * width + sum(bool(row[width:] and row[width]) for row in rows)
        self._inner += sum("".join(row).count('"') for row in rows)
        self._last = rows[-1][width - 1]
        if self.quotes < 2 * (self._cells + self._inner - 1):  # one may be cut off
            raise Misfit

    def check(self, row: int, *, escaped: bool) -> None:
        """Raise an error if a cell has no quotes, or not those of `addslashes`."""
        unquoted = self._cells + self._inner - self.quotes // 2
        if self._cells and (unquoted or (escaped and self.escaped != self._inner)):
            raise Misfit(row, is_cut=unquoted == 1 and not self._last)


def line_of(block: Block, way: str, row: int) -> int:
    """Return the line, counted from 0 at the first row, in which a row begins."""
    begin = 0
    reader = _reader(block, way, _Seen())
    with suppress(csv.Error, Misfit):
        for cells in reader:
            if cells:
                if not row:
                    break
                row -= 1
            begin = reader.line_num
    return begin


def _ends_like_fputcsv(block: Block) -> bool:
    r"""Return whether `\""` is at the end: a quote that is not doubled, and one that closes.

    A cut of doubled quotes may leave this, too. But `fputcsv` quotes no id.
    """
    last = ""
    for piece in block.text.pieces(block.begin):
        last = piece
    return last.rstrip("\r\n").endswith('\\""') and not _begins_quoted(block)


def _begins_quoted(block: Block) -> bool:
    return next(block.text.pieces(block.begin), "").startswith('"')


def _width(block: Block, batch: Rows) -> int:
    """Return the number of cells in each row, as the first one has it."""
    first = len(batch[0]) if batch else block.width
    return first if first == block.width + 1 else block.width


def _is_end(rows: Iterator[list[str]]) -> bool:
    """Return whether there are no more rows."""
    try:
        return next(rows, None) is None
    except csv.Error:
        return False


def _reader(block: Block, way: str, seen: _Seen) -> Reader:
    """Return the parser of a way."""
    pieces = {
        "addslashes": lambda: _from_addslashes(block, seen),
        "doubled": lambda: block.text.pieces(block.begin),
        "fputcsv": lambda: _from_fputcsv(block),
        "bare": lambda: _from_bare(block),
    }[way]()
    lines = chain.from_iterable(map(_lines, seen.watch(pieces)))
    return csv.reader(lines, delimiter=block.separator, strict=True)


def _lines(piece: str) -> Iterable[str]:
    """Return the lines of a piece with their line ends: line feeds and carriage returns."""
    if any(end in piece for end in _OTHER_LINE_ENDS):
        return StringIO(piece, newline="")
    return piece.splitlines(keepends=True)


def _from_addslashes(block: Block, seen: _Seen) -> Iterator[str]:
    """Double the quotes that `addslashes` escapes, and remove its other escapes.

    Raises:
        Misfit: If a backslash begins none of its four escapes, or an apostrophe has none.
    """
    if not _begins_quoted(block):
        raise Misfit
    for piece in block.text.pieces(block.begin):
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


def _from_fputcsv(block: Block) -> Iterator[str]:
    r"""Double the quotes that PHP's `fputcsv` does not: those behind a backslash.

    Before a separator or a line end, such a quote closes the cell, whose value ends with the
    backslash.
    """
    within = re.compile(rf'\\"(?!{re.escape(block.separator)}|[\r\n]|\Z)')
    for piece in block.text.pieces(block.begin):
        yield within.sub(r'\\""', piece)


def _from_bare(block: Block) -> Iterator[str]:
    """Double the quotes that are part of a value, where nothing escapes them.

    Every cell is quoted. A row has so many `";"`, and ends with the last line end between quotes
    before the next one, because the first cell of a row is an id, without quotes and line ends.

    Raises:
        Misfit: If this does not add up.
    """
    if block.width == 1 or not _begins_quoted(block):
        raise Misfit
    between, last = f'"{block.separator}"', block.width - 1
    end = rf'"{re.escape(block.separator)}?(?:\r\n|\n|\r|\Z)'
    border = re.compile(rf'(.*)({end})"([^"\r\n]*)', re.DOTALL)

    def doubled(cells: list[str], line_end: str) -> str:
        short = border.fullmatch(cells[-1])
        if short and short[3]:  # a row of one cell
            raise Misfit
        return '"' + between.join([cell.replace('"', '""') for cell in cells]) + line_end

    rest = ""
    for piece in block.text.pieces(block.begin + 1):
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
