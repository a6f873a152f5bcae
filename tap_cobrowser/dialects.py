"""From the text of a response to rows of cells, in each way that a PHP service may quote.

There are five ways. Each text is converted to the first of them, doubled quotes, which Python's csv
module parses fast: a quote that is part of a value is replaced with a character that the text does
not have, and is restored in the cells.

A response that is cut off must not be taken for a complete one in another way of quoting. A cut
changes only the end of a response. Another way is therefore tried only if something before the end
does not fit, and a response that could be cut off in any more likely way is rejected.
"""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass, replace
from enum import Enum
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# The module's limit of 128 KiB per cell is of no use here: the body is in memory already.
csv.field_size_limit(2**31 - 1)

# Responses of this many characters are read with less memory, in a little more time.
_LARGE, _PIECE, _MOST_KNOWN = 8 * 2**20, 2**20, 50_000
_OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_LINE_END = r"(?:\r\n|\n|\r)"
_SLASHED = re.compile(r"\\(.?)|['\0]", re.DOTALL)
_SLASHED_QUOTE = re.compile(r"\\(.?)", re.DOTALL)

# Maximum number of quotes or backslashes in a cell that is matched as a whole; each takes memory.
_MOST_REPEATS = "{0,50000}"
# Maximum number of quotes, separators and line ends to search one by one; it takes seconds.
_MOST_STEPS = 1_000_000

AMBIGUOUS = "The way of quoting in the response is ambiguous; the tap assumes {}"
_NAMES = {
    "doubled": "doubled quotes (RFC 4180)",
    "fputcsv": "PHP's `fputcsv`",
    "slashes": "PHP's `addslashes`",
    "bare": "quotes that are not escaped",
    "escapes": "a backslash before quotes and backslashes",
}

_DOUBTFUL = {"bare", "escapes"}  # where other ways have failed


class QuotingError(ValueError):
    """The text is incomplete, or is not written in any of the ways."""


class _State(Enum):
    WHOLE = "all rows have the same width"
    CUT = "the text may be the beginning of a longer one with rows of the same width"
    UNEVEN = "the rows differ in width"
    MALFORMED = "a quote is where none can be"


@dataclass(frozen=True, slots=True)
class Written:
    """A text, parsed in one way of quoting.

    Attributes:
        way: The name of the way.
        state: Whether the text can be written in this way.
        rows: The cells of all rows that are not blank, the header included.
        text: The text with doubled quotes, in the same lines.
        separator: The separator of cells.
        size: Number of rows, including one that is cut off if its first cell is complete.
        note: What a user should know about the choice of this way, if anything.
    """

    way: str
    state: _State
    rows: list[list[str]]
    text: str
    separator: str
    size: int = 0
    note: str = ""

    def line_of(self, row: int) -> int:
        """Return the line of the text, counted from 1, in which a row begins."""
        begins = 1
        reader = csv.reader(_lines(self.text), delimiter=self.separator, strict=True)
        for cells in reader:
            if cells:
                if not row:
                    break
                row -= 1
            begins = reader.line_num + 1
        return begins

    def count_unquoted(self) -> int:
        """Return how many cells are not quoted."""
        # The rows of the text itself: what stands for a quote in it is no quote.
        cells = [cell for row in _parse(self.text, self.separator) for cell in row]
        return len(cells) - self.text.count('"') // 2 + sum(cell.count('"') for cell in cells)


class Quoting:
    """Reads the responses of a server, and learns how it quotes. Safe to use from many threads.

    A server quotes in one way. A way that is impossible for an unambiguous response is therefore
    not used for an ambiguous one.
    """

    def __init__(self) -> None:
        """Begin without any knowledge."""
        self._impossible: frozenset[str] = frozenset()

    def read(self, text: str, separator: str, width: int, begin: int) -> Written:
        """Read a text.

        Args:
            text: The text, which is not blank.
            separator: The separator of cells.
            width: Number of cells in a row.
            begin: Where the first row begins, after the header if there is one.

        Raises:
            QuotingError: If it is incomplete, or is not written in any of the ways.
        """
        found = {"doubled": _doubled(text, separator)}
        state = found["doubled"].state
        if state is _State.WHOLE and "\\" not in text:
            return found["doubled"]
        if "\\" in text:
            found["slashes"] = _slashes(text, separator, begin)
            if state is not _State.WHOLE or '\\"' in text:
                found["fputcsv"] = _fputcsv(text, separator, width, begin)
        if state is _State.MALFORMED:
            found["bare"] = _bare(text, separator, width, begin)
            if '\\"' in text and found["slashes"].state is _State.MALFORMED:
                found["escapes"] = _slashes(text, separator, begin, way="escapes")
        likely = {way: each for way, each in found.items() if way not in self._impossible}
        possible = _possible(likely) or _possible(found)
        header = text[:begin]
        line_end = header[len(header.rstrip("\r\n")) :] or text[-1]
        ended = text[len(text.rstrip("\r\n")) :].startswith(line_end) and line_end in "\r\n"
        chosen = _choose(possible, ended=ended, begin=begin)
        if chosen.way in _DOUBTFUL or any(
            each.way not in _DOUBTFUL and each.rows != chosen.rows and _is_likely(each, begin)
            for each in possible.values()
        ):
            return replace(chosen, note=AMBIGUOUS.format(_NAMES[chosen.way]))
        self._impossible |= found.keys() - possible.keys()
        return chosen


def _possible(found: Mapping[str, Written]) -> dict[str, Written]:
    return {way: each for way, each in found.items() if each.state in {_State.WHOLE, _State.CUT}}


def _choose(found: Mapping[str, Written], *, ended: bool, begin: int) -> Written:
    """Return the most likely of the possible ways.

    Args:
        found: The text in each way in which it can be complete or the beginning of a longer one.
        ended: Whether the text ends with the header's line end. Few cuts leave one.
        begin: Where the first row begins.

    Raises:
        QuotingError: If the text is probably cut off, or no way is possible.
    """
    whole = {way: each for way, each in found.items() if each.state is _State.WHOLE}
    doubled, by_php = whole.get("doubled"), whole.get("fputcsv")
    order: list[str] = []
    if doubled and by_php and by_php.rows != doubled.rows and not _is_likely(doubled, begin):
        order = ["fputcsv", "doubled"]
    elif doubled:
        # Every quote, apostrophe and backslash follows a backslash: only `addslashes` does that.
        order = ["slashes", "doubled"] if ended or len(whole) == len(found) else []
    elif "doubled" in found:
        order = ["slashes", "fputcsv"] if ended else []
    elif "slashes" in found:
        order = ["fputcsv", "slashes"]
    elif "escapes" in found:
        order = ["fputcsv", "escapes"]
    elif by_php or "fputcsv" not in found:
        order = ["fputcsv", "bare"]
    for way in order:
        if way in whole and (way != "fputcsv" or _is_fputcsv(whole[way], found, begin)):
            # A way with more rows is more likely than one in which they are part of a value.
            if max(each.size for each in found.values()) > whole[way].size:
                break
            return whole[way]
    raise QuotingError


def _is_fputcsv(read: Written, found: Mapping[str, Written], begin: int) -> bool:
    """Return whether a text is as PHP writes it; where it need not be, it has doubled quotes."""
    return (
        len(found) == 1
        or _is_likely(read, begin)
        or any('"' in cell for row in _parse(read.text, read.separator) for cell in row)
    )


# Doubled quotes (RFC 4180), in quotes always or only where needed


def _lines(text: str) -> Iterable[str]:
    """Return the lines of a text with their line ends: line feeds and carriage returns."""
    # `splitlines` is faster, but splits at more characters.
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
    """Yield rows in which equal cells are one object, which halves the memory."""
    known: dict[str, str] = {}
    for row in rows:
        if len(known) > _MOST_KNOWN:
            known.clear()
        yield [known.setdefault(cell, cell) for cell in row]


def _parse(text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(_lines(text), delimiter=separator, strict=True)
    rows = list(reader if len(text) < _LARGE else _sparing(reader))
    return rows if all(rows) else [row for row in rows if row]


def _doubled(text: str, separator: str) -> Written:
    state = _State.WHOLE
    try:
        rows = _parse(text, separator)
    except csv.Error as error:
        # Is a quote that is not closed the only error?
        if str(error) != "unexpected end of data":
            return Written("doubled", _State.MALFORMED, [], text, separator)
        rows = _parse(f'{text}"', separator)
        state = _State.CUT
    if not rows:
        state = _State.MALFORMED
    elif len(set(map(len, rows))) != 1:
        width, last = len(rows[0]), len(rows[-1])
        before = set(map(len, rows[1:-1]))
        after_header = before | {last}
        if after_header == {width + 1} and not any(row[-1] for row in rows[1:]):
            rows = [rows[0], *(row[:-1] for row in rows[1:])]  # a separator ends each row
        elif after_header == {width - 1} and not rows[0][-1] and text[-1] in '"\r\n':
            rows = [rows[0][:-1], *rows[1:]]  # one ends the header alone
        elif state is _State.CUT or text[-1] not in "\r\n":
            state = _State.CUT if before <= {width} and last < width else _State.UNEVEN
        else:
            state = _State.UNEVEN
    size = len(rows) - (state is _State.CUT and len(rows[-1]) == 1)
    return Written("doubled", state, rows, text, separator, size)


# Quotes and backslashes (with `addslashes` apostrophes, too) behind a backslash, all cells quoted


def _slashes(text: str, separator: str, begin: int, way: str = "slashes") -> Written:
    """Read what `addslashes` writes, or what leaves apostrophes and NUL as they are."""
    quote, nul = _marks(text)
    values = {'"': quote, "\\": "\\"}
    if way == "slashes":
        values |= {"'": "'", "0": nul}

    def unslash(found: re.Match[str]) -> str:
        if found[1] in values:
            return values[found[1]]
        if found[1] == "" and found.end() == len(text):  # cut off within an escape
            return ""
        raise QuotingError

    try:
        escape = _SLASHED if way == "slashes" else _SLASHED_QUOTE
        marked = text[:begin] + escape.sub(unslash, text[begin:])
    except QuotingError:
        return Written(way, _State.MALFORMED, [], text, separator)
    read = replace(_doubled(marked, separator), way=way)
    rows = read.rows[1:] if begin else read.rows
    cells = sum(map(len, rows)) - len(rows) * (not read.rows[0][-1] if read.rows else 0)
    unquoted = cells - (marked.count('"', begin) + 1) // 2
    # The last cell of a text that is cut off may be empty so far.
    if unquoted > (read.state is _State.CUT) or any('"' in cell for row in rows for cell in row):
        return replace(read, state=_State.MALFORMED)
    return _unmarked(read, {quote: '"', nul: "\0"})


def _marks(text: str) -> tuple[str, str]:
    """Return two characters that a text does not have."""
    unused = (chr(code) for code in range(0xE000, 0x110000) if chr(code) not in text)
    return next(unused), next(unused)


def _unmarked(read: Written, values: Mapping[str, str]) -> Written:
    rows = read.rows
    for mark, value in values.items():
        if mark in read.text:
            rows = [[cell.replace(mark, value) for cell in row] for row in rows]
    return replace(read, rows=rows)


# PHP's `fputcsv` with its default escape character


def _fputcsv(text: str, separator: str, width: int, begin: int) -> Written:
    r"""Read what `fputcsv` writes: a backslash suspends doubling until the next other character.

    The quote in `\"` is therefore part of the value. Only before a separator or a line end may it
    also close the cell, if the value ends with a backslash: there the width of the rows decides.
    """
    mark, _ = _marks(text)
    closes = rf"{re.escape(separator)}|[\r\n]|\Z"
    marked = text[:begin] + re.sub(rf'(?<=\\)"(?!{closes})', mark, text[begin:])
    read = replace(_doubled(marked, separator), way="fputcsv")
    if _is_likely(read, begin):  # all quotes before the end of a cell close it
        return _unmarked(read, {mark: '"'})
    places = _Places(separator, width)
    state = places.read(marked, begin)
    if state is not _State.WHOLE:
        return Written("fputcsv", state, [], text, separator, places.rows + bool(begin))
    pieces = []
    position = 0
    for at in places.quotes:
        pieces.append(marked[position:at])
        position = at + 1
    marked = mark.join([*pieces, marked[position:]])
    return _unmarked(replace(_doubled(marked, separator), way="fputcsv"), {mark: '"'})


class _Place(NamedTuple):
    """A possible position of a parser of `fputcsv`.

    Attributes:
        row: The row, counted from 0.
        column: The column.
        fresh: Whether the cell has not begun.
        quote: The offset of a quote that is part of a value if the parser is here, else -1.
    """

    row: int
    column: int
    fresh: bool = True
    quote: int = -1

    def at(self, row: int, column: int, *, fresh: bool = True) -> _Place:
        """Return another place with the same quote."""
        return _Place(row, column, fresh, self.quote)

    @property
    def begins_row(self) -> bool:
        """Whether no cell of the row has begun."""
        return self.fresh and not self.column


class _Places:
    r"""Finds the quotes that follow a backslash, precede the end of a cell, and do not close it.

    At each quote, separator and line end, the parser may be in at most two places: one within a
    quoted cell, one outside. Any other quote that opens a cell in one of them closes a cell in the
    other. The quotes in question are possible only within a cell, and lead to both places. A text
    can therefore be read in at most one way, and one pass is enough.

    Attributes:
        quotes: Their offsets, ascending.
    """

    def __init__(self, separator: str, width: int) -> None:
        self.quotes = array("q")
        self._separator, self._width = separator, width
        self._inside: _Place | None = None
        self._outside: _Place | None = _Place(0, 0)
        sep = re.escape(separator)
        self._quotes = re.compile(r'(\\?)("+)')
        self._any = re.compile(rf'(\\?)("+)|{sep}|{_LINE_END}')
        self._unquoted = re.compile(r"[^\\\t ]*")
        special = rf'(?:(?:""|\\+(?!["\\]))[^"\\]*){_MOST_REPEATS}'
        plain = rf'(?:"[^"\\]*{special}"|[^{sep}"\\\r\n\t ]*)'
        self._plain_row = re.compile(rf"{plain}(?:{sep}{plain}){{{width - 1}}}{_LINE_END}")

    @property
    def rows(self) -> int:
        """Maximum number of rows, including one that is cut off if its first cell is complete."""
        places = (each for each in (self._inside, self._outside) if each)
        return max((each.row + (each.column > 0) for each in places), default=0)

    def read(self, text: str, position: int) -> _State:
        """Read a text, once, from a position where a row begins."""
        size = len(text)
        steps = 0
        while position < size:
            steps += 1
            if steps > _MOST_STEPS:
                return _State.MALFORMED
            if self._outside and self._outside.begins_row and not self._inside:
                rows = self._outside.row
                while row := self._plain_row.match(text, position):
                    position = row.end()
                    rows += 1
                self._outside = self._outside.at(rows, 0)
                if position == size:
                    break
            found = (self._any if self._outside else self._quotes).search(text, position)
            start, end = found.span() if found else (size, size)
            if self._outside and start > position:
                at = self._outside
                clean = at.fresh and self._unquoted.fullmatch(text, position, start)
                self._outside = at.at(at.row, at.column, fresh=False) if clean else None
            if found:
                closes = end == size or text[end] in f"{self._separator}\r\n"
                self._pass(found, closes=closes)
            self._settle()
            if not self._inside and not self._outside:
                return _State.MALFORMED
            position = end
        end_place = self._outside
        if not end_place or not (end_place.begins_row or end_place.column == self._width - 1):
            return _State.CUT
        self._inside = None
        self._settle()
        return _State.WHOLE

    def _pass(self, found: re.Match[str], *, closes: bool) -> None:
        if found[2] and found[1]:
            self._pass_escaped_quote(found.end() - 1)
        elif found[2]:
            self._pass_quotes(len(found[2]), closes=closes)
        elif self._outside:
            self._outside = self._after_cell(self._outside, found[0])

    def _pass_escaped_quote(self, at: int) -> None:
        self._outside = None
        self._settle()
        if place := self._inside:
            self._outside = _Place(place.row, place.column, fresh=False)
            self._inside = _Place(place.row, place.column, fresh=False, quote=at)

    def _pass_quotes(self, count: int, *, closes: bool) -> None:
        """Pass a sequence of quotes. Within a cell, two of them are one quote of its value."""
        opened = self._outside if self._outside and self._outside.fresh else None
        within = [(self._inside, count), (opened, count - 1)]
        self._inside = self._outside = None
        for place, left in within:
            if place and left % 2 == 0:
                self._inside = place
            elif place and closes:
                self._outside = place.at(place.row, place.column, fresh=False)

    def _after_cell(self, place: _Place, end: str) -> _Place | None:
        last = place.column == self._width - 1
        if end == self._separator:
            return None if last else place.at(place.row, place.column + 1)
        if last:
            return place.at(place.row + 1, 0)
        return place if place.begins_row else None

    def _settle(self) -> None:
        """Keep the quote that is part of a value if only one place is left."""
        inside, outside = self._inside, self._outside
        place = inside or outside
        if place and place.quote >= 0 and not (inside and outside):
            self.quotes.append(place.quote)
            settled = _Place(place.row, place.column, place.fresh)
            self._inside, self._outside = inside and settled, outside and settled


def _is_likely(read: Written, begin: int) -> bool:
    """Return whether a text is complete, and quoted exactly where this way quotes.

    `fputcsv` quotes only where it has to, and a cell that contains a quote is always quoted.
    """
    sep = re.escape(read.separator)
    cell = re.compile(rf'"([^"]*(?:""[^"]*){_MOST_REPEATS})"|[^{sep}\r\n]+')
    special = re.compile(rf'[{sep}"\\\r\n\t ]' if read.way == "fputcsv" else "")
    if read.state is not _State.WHOLE:
        return False
    for found in cell.finditer(read.text, begin):
        if '"' in found[0] if found[1] is None else not special.search(found[1]):
            return False
    return True


# Quotes as they are, all cells quoted


def _bare(text: str, separator: str, width: int, begin: int) -> Written:
    """Read cells whose quotes are not escaped: the width of the rows decides."""
    malformed = Written("bare", _State.MALFORMED, [], text, separator)
    columns = width - text[:begin].rstrip("\r\n").endswith(separator)
    body = text[begin:].strip("\r\n")
    close = f'"{separator}' if body.endswith(f'"{separator}') else '"'
    if columns < 2 or not body.startswith('"') or not body[1:].endswith(close):  # noqa: PLR2004
        return malformed  # nothing tells rows of one cell from texts
    like_header = text[:begin].endswith("\r\n") and f"{close}\r\n" in text[begin:]
    line_end = "\r\n" if like_header else _LINE_END
    between = f'"{separator}"'
    # The first cell of a row is an id, or another value without quotes and line ends.
    begins_row = rf'(?=[^"\r\n]*{re.escape(between)})'
    ends_row = re.compile(rf'{re.escape(close)}{line_end}"{begins_row}')
    values = body[1 : -len(close)]
    rows: list[list[str]] = []
    position = 0
    while position <= len(values):
        row: list[str] = []
        while len(row) < columns - 1:
            end = values.find(between, position)
            if end < 0:
                return malformed
            row.append(values[position:end])
            position = end + len(between)
        found = ends_row.search(values, position)
        row.append(values[position : found.start()] if found else values[position:])
        if between in row[-1]:
            return malformed  # nothing tells which of them is part of a value
        rows.append(row)
        position = found.end() if found else len(values) + 1
    mark, _ = _marks(text)
    lines = [between.join(cell.replace('"', mark) for cell in row) for row in rows]
    marked = text[:begin] + "".join(f'"{line}{close}\n' for line in lines)
    return _unmarked(replace(_doubled(marked, separator), way="bare"), {mark: '"'})
