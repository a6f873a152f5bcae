"""Ways of quoting of a PHP service other than doubled quotes, each read as its writer wrote it.

Each reader takes the whole text and the number of cells in the header, since that number is what
decides where the text itself is ambiguous.
"""

from __future__ import annotations

import re

# Search steps that a text may take beyond one for each cell, so that no text takes hours.
_MOST_STEPS = 2_000_000
_LONE_QUOTE = re.compile(r'(?<!")"(?:"")*(?!")')

Rows = list[list[str]]
Starts = list[int]


class DialectError(ValueError):
    """The text is not written in this way."""


def fputcsv(text: str, separator: str, width: int) -> tuple[Rows, Starts]:
    r"""Read what PHP's `fputcsv` writes with its default escape character.

    A backslash suspends doubling until the next character that is not a backslash. So `\"` before
    a separator may be text or a backslash that ends a cell: the width of the row decides.

    Raises:
        DialectError: The text is not written in this way, or takes too long to decide.
    """
    after = _after_cell(separator)
    token = re.compile(r'(?<!\\)\\+"|""|"')
    plain = re.compile(rf'[^{re.escape(separator)}\r\n"]*')
    dead: set[tuple[int, int]] = set()
    # One entry per cell that was begun: where, in which column, where to go on after failing.
    path: list[tuple[int, int, int]] = []
    begin, column, resume, steps = 0, 0, -1, 0
    size = len(text)
    while True:
        steps += 1
        if steps > _MOST_STEPS + size:
            raise DialectError
        end, again = (
            (-1, -1) if (begin, column) in dead else _cell(text, begin, resume, token, plain, after)
        )
        following = after.match(text, end) if end >= 0 else None
        if following:
            last = column == width - 1
            if last == (following[0] != separator):
                path.append((begin, column, again))
                begin, column, resume = following.end(), 0 if last else column + 1, -1
                if last and begin >= size:
                    break
                continue
            if again >= 0:
                resume = again
                continue
        elif end < 0:
            steps += (size - begin) // 64  # the rest of the text was searched
        dead.add((begin, column))
        while path:
            begin, column, resume = path.pop()
            if resume >= 0:
                break
            dead.add((begin, column))
        else:
            raise DialectError
    ends = [cell[0] for cell in path[1:]] + [size]
    cells = [
        _undoubled(text[begin:end].rstrip("\r\n") if column == width - 1 else text[begin : end - 1])
        for (begin, column, _), end in zip(path, ends, strict=True)
    ]
    rows = [cells[at : at + width] for at in range(0, len(cells), width)]
    return rows, [path[at][0] for at in range(0, len(path), width)]


def _after_cell(separator: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(separator)}|(?:\r\n|\n|\r)+|\Z")


def _cell(  # noqa: PLR0913, PLR0917 - the patterns are made once for all cells
    text: str,
    begin: int,
    resume: int,
    token: re.Pattern[str],
    plain: re.Pattern[str],
    after: re.Pattern[str],
) -> tuple[int, int]:
    """Return where a cell ends, and where to look for its next possible end; -1 for neither."""
    if text[begin : begin + 1] != '"':
        found = plain.match(text, begin)
        return (found.end() if found else -1), -1
    position = begin + 1 if resume < 0 else resume
    while found := token.search(text, position):
        position = found.end()
        if found[0] == '"':
            return position, -1
        if found[0][0] == "\\" and after.match(text, position):
            return position, position
    return -1, -1


def _undoubled(cell: str) -> str:
    if cell[:1] != '"':
        return cell
    return re.sub(r'((?<!\\)\\+")|""', lambda found: found[1] or '"', cell[1:-1])


def slashes(text: str, separator: str, width: int) -> tuple[Rows, Starts]:
    r"""Read cells that are all quoted and were passed through PHP's `addslashes`.

    Raises:
        DialectError: The text is not written in this way.
    """
    end = rf"{re.escape(separator)}|(?:\r\n|\n|\r)+|\Z"
    cell = re.compile(r"""([^"\\'\x00]*(?:\\["'\\0][^"\\'\x00]*)*)""" + rf'"({end})')
    rows: Rows = []
    starts: Starts = []
    row: list[str] = []
    position = 0
    while position < len(text):
        found = cell.match(text, position + 1) if text[position] == '"' else None
        if not found:
            raise DialectError
        if not row:
            starts.append(position)
        row.append(re.sub(r"\\(.)", lambda pair: "\0" if pair[1] == "0" else pair[1], found[1]))
        if found[2] != separator:
            if len(row) != width:
                raise DialectError
            rows.append(row)
            row = []
        position = found.end()
    if row:
        raise DialectError
    return rows, starts


def bare(text: str, separator: str, width: int) -> tuple[Rows, Starts]:
    """Read cells that are all quoted, with their own quotes left as they are.

    Raises:
        DialectError: The text is not written in this way, or a row has more cells than the header.
    """
    whole = re.fullmatch(r'"(.*)"[\r\n]*', text, re.DOTALL)
    if not whole or width < 2:  # noqa: PLR2004 - nothing tells rows of one cell from texts
        raise DialectError
    between = f'"{separator}"'
    rows: Rows = []
    starts: Starts = []
    parts: list[str] = []
    count, position = 1, 0
    pieces = re.split(r'("(?:\r\n|\n|\r)+")', whole[1])
    for at in range(0, len(pieces), 2):
        piece = pieces[at]
        more = piece.count(between)
        if parts:
            parts.append(pieces[at - 1])
        elif not more and rows:
            # A row without a separator is the rest of the text before it.
            rows[-1][-1] += pieces[at - 1] + piece
            position += len(piece) + len(pieces[at - 1])
            continue
        else:
            starts.append(position)
        parts.append(piece)
        count += more
        if count > width:
            raise DialectError
        if count == width:
            rows.append("".join(parts).split(between))
            parts, count = [], 1
        position += len(piece) + (len(pieces[at + 1]) if at + 1 < len(pieces) else 0)
    if parts or not rows or any(len(row) != width for row in rows):
        raise DialectError
    # Where all quotes come in pairs, but for one at the end, doubled quotes were cut short.
    cells = [cell for piece in pieces[::2] for cell in piece.split(between)]
    cells[-1] = cells[-1].rstrip(f'"\r\n{separator}')
    if not any(_LONE_QUOTE.search(cell) for cell in cells if '"' in cell):
        raise DialectError
    return rows, starts
