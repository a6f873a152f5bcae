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
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_cobrowser.reading.text import Text

Rows = list[list[str]]
_T = TypeVar("_T")

BATCH = 10_000
"""Maximum number of rows in a batch."""

# A quote that is not closed must not take all the memory. No cell of the API is as long.
csv.field_size_limit(4 * 2**20)

_WAYS = ("addslashes", "doubled", "fputcsv", "bare")
# `splitlines` splits at these, too.
_OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ESCAPED_NUL = re.compile(r"(\\\\)|\\0")


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


def fit(block: Block, use: Callable[[Iterator[Rows]], _T]) -> tuple[str, _T]:
    """Return the first way of quoting that fits, and what is made of its rows.

    Args:
        block: The rows.
        use: Called with the rows in each way, in batches, until a way fits.

    Raises:
        Misfit: If the text is incomplete, or no way fits.
    """
    misfits = []
    for way in _WAYS if block.text.has_backslash else ("doubled", "bare"):
        try:
            return way, use(batches(block, way))
        except Misfit as misfit:
            misfits.append(misfit)
            if misfit.is_cut:
                break
    raise misfits[-1] if misfits[-1].is_cut else misfits[block.text.has_backslash]


def batches(block: Block, way: str) -> Iterator[Rows]:
    """Yield the rows in batches, without blank lines.

    Raises:
        Misfit: If the text is not written in this way.
    """
    quotes: list[int] = []
    rows = filter(None, _reader(block, way, quotes))
    count = unquoted = width = 0
    while True:
        batch: Rows = []
        is_open = is_malformed = False
        try:
            batch.extend(islice(rows, BATCH))
        except csv.Error as error:
            is_open = str(error) == "unexpected end of data"
            is_malformed = not is_open
        if set(map(len, batch)) != {width}:
            batch = [row for row in batch if not _is_blank(row)]
            width = width or _width(block, batch)
            for at, row in enumerate(batch):
                if len(row) != width:
                    is_last = at == len(batch) - 1 and not is_open and not is_malformed
                    is_cut = len(row) < width and is_last and _is_end(rows)
                    raise Misfit(count + at, is_cut=is_cut)
        if is_open or is_malformed:
            raise Misfit(count + len(batch), is_cut=is_open)
        if not batch:
            break
        if width > block.width and not block.has_more and any(row[-1] for row in batch):
            raise Misfit(count)
        count += len(batch)
        if block.is_quoted or way == "addslashes":
            cells = [cell for row in batch for cell in row[: block.width]]
            unquoted += len(cells) + sum(cell.count('"') for cell in cells)
            last = cells[-1]
        yield batch
    missing = 2 * unquoted - sum(quotes)
    if count and unquoted and missing:
        raise Misfit(count - 1, is_cut=missing == 2 and not last)


def line_of(block: Block, way: str, row: int) -> int:
    """Return the line, counted from 0 at the first row, in which a row begins."""
    begin = 0
    reader = _reader(block, way, [])
    for cells in reader:
        if cells and not _is_blank(cells):
            if not row:
                break
            row -= 1
        begin = reader.line_num
    return begin


def has_escaped_nul(block: Block) -> bool:
    """Return whether `addslashes` has escaped a NUL character."""
    return any("\\0" in piece.replace("\\\\", "") for piece in block.text.pieces(block.begin))


def _width(block: Block, batch: Rows) -> int:
    """Return the number of cells in each row, as the first one has it."""
    first = len(batch[0]) if batch else block.width
    return first if first == block.width + 1 else block.width


def _is_blank(row: list[str]) -> bool:
    return len(row) == 1 and not row[0].strip()


def _is_end(rows: Iterator[list[str]]) -> bool:
    """Return whether there are no more rows."""
    try:
        return all(map(_is_blank, rows))
    except csv.Error:
        return False


def _reader(block: Block, way: str, quotes: list[int]) -> csv._reader:
    """Return the parser of a way.

    Args:
        block: The rows.
        way: The way of quoting.
        quotes: Filled with numbers of quotes: two for each quoted cell, and two for each quote that
            is part of a cell.
    """
    pieces = block.text.pieces(block.begin)
    if way == "addslashes":
        lines = chain.from_iterable(map(_lines, _checked_escapes(pieces, quotes)))
        return csv.reader(
            lines, delimiter=block.separator, strict=True, escapechar="\\", doublequote=False
        )
    if way == "fputcsv":
        pieces = _from_fputcsv(pieces, block.separator)
    elif way == "bare":
        pieces = _from_bare(pieces, block)
    if block.is_quoted:
        pieces = _counted(pieces, quotes)
    lines = chain.from_iterable(map(_lines, pieces))
    return csv.reader(lines, delimiter=block.separator, strict=True)


def _lines(piece: str) -> Iterable[str]:
    """Return the lines of a piece with their line ends: line feeds and carriage returns."""
    if any(end in piece for end in _OTHER_LINE_ENDS):
        return StringIO(piece, newline="")
    return piece.splitlines(keepends=True)


def _counted(pieces: Iterable[str], quotes: list[int]) -> Iterator[str]:
    for piece in pieces:
        quotes.append(piece.count('"'))
        yield piece


def _checked_escapes(pieces: Iterable[str], quotes: list[int]) -> Iterator[str]:
    """Yield what `addslashes` has written, for a parser that knows its escapes.

    Raises:
        Misfit: If a backslash begins none of its four escapes, or an apostrophe has none.
    """
    for at, piece in enumerate(pieces):
        others = piece.replace("\\\\", "")
        quote, apostrophe, nul = map(others.count, ('\\"', "\\'", "\\0"))
        if (
            others.count("\\") != quote + apostrophe + nul
            or others.count("'") != apostrophe
            or (at == 0 and not piece.startswith('"'))
        ):
            raise Misfit
        quotes.append(others.count('"') + quote)
        yield _ESCAPED_NUL.sub(r"\1", piece) if nul else piece


def _from_fputcsv(pieces: Iterable[str], separator: str) -> Iterator[str]:
    r"""Double the quotes that PHP's `fputcsv` does not: those behind a backslash.

    Before a separator or a line end, such a quote closes the cell, whose value ends with the
    backslash.
    """
    within = re.compile(rf'\\"(?!{re.escape(separator)}|[\r\n]|\Z)')
    for piece in pieces:
        yield within.sub(r'\\""', piece)


def _from_bare(pieces: Iterable[str], block: Block) -> Iterator[str]:
    """Double the quotes that are part of a value, where nothing escapes them.

    Every cell is quoted. A row has so many `";"`, and ends with the last line end between quotes
    before the next one, because the first cell of a row is an id, without quotes and line ends.

    Raises:
        Misfit: If this does not add up.
    """
    between = f'"{block.separator}"'
    inner = block.width - 1
    end = rf'"{re.escape(block.separator)}?(?:\r\n|\n|\r)'
    border = re.compile(rf'(.*)({end})"([^"\r\n]*)', re.DOTALL)
    last = re.compile(rf'(.*)("{re.escape(block.separator)}?(?:\r\n|\n|\r|\Z)\s*)', re.DOTALL)

    def row(cells: list[str], line_end: str) -> str:
        return f'"{between.join(cell.replace(chr(34), chr(34) * 2) for cell in cells)}{line_end}'

    rest = ""
    begins = True
    for piece in pieces:
        if begins:
            if inner < 1 or not piece.startswith('"'):
                raise Misfit
            piece = piece[1:]
            begins = False
        cells = (rest + piece).split(between)
        converted = []
        at = 0
        while at + inner < len(cells) - 1:
            found = border.fullmatch(cells[at + inner])
            if not found:
                raise Misfit
            converted.append(row([*cells[at : at + inner], found[1]], found[2]))
            at += inner
            cells[at] = found[3]
        rest = between.join(cells[at:])
        yield "".join(converted)
    cells = rest.split(between)
    found = last.fullmatch(cells[-1])
    if len(cells) != block.width or not found:
        raise Misfit(is_cut=True)
    yield row([*cells[:-1], found[1]], found[2])
