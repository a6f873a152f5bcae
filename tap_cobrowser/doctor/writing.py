"""The format of a response: header, encoding, line ends, quoting, dates, numbers; never a cell.

The cells are parsed by the same reader as in the tap.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cobrowser.errors import TapCobrowserError
from tap_cobrowser.table import decode, utf_16

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cobrowser.api import Command
    from tap_cobrowser.table import TableReader
    from tap_cobrowser.transport import Reply

_ENGLISH = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? |\d{1,2} (?:Mar|May|Oct)", re.IGNORECASE)
_DUTCH = re.compile(r"(?:ma|di|wo|do|vr|za|zo)[a-z]*,? |\d{1,2} (?:mrt|mei|okt)", re.IGNORECASE)
_OFFSET = re.compile(r" ?([+-]\d\d):?(\d\d)?$| ?(Z)$| ([A-Z]{1,5})$")
_ENOUGH = 5_000
_UNIX = "Unix seconds"


@dataclass(frozen=True, slots=True)
class Written:
    """The format of a response; a field is empty if it is not known.

    Attributes:
        header: `documented`, or how it differs.
        encoding: Name of the encoding.
        line_ends: `LF` or `CRLF`.
        quoting: How quotes are written.
        dates: The formats of date-times.
        offsets: UTC offsets of the date-times; `none` for those without.
        numbers: How numbers are written.
    """

    header: str = ""
    encoding: str = ""
    line_ends: str = ""
    quoting: str = ""
    dates: frozenset[str] = frozenset()
    offsets: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    @property
    def is_without_offset(self) -> bool:
        """Whether date-times are those of a place that does not show."""
        return "none" in self.offsets and self.dates != {_UNIX}


def how_written(command: Command, reader: TableReader, reply: Reply) -> Written:
    """Return the format of a response.

    Args:
        command: The command.
        reader: The reader of its responses.
        reply: The response.
    """
    encoding = _encoding(reply)
    if not decode(reply.body, reply.charset).strip():
        return Written()
    try:
        way, rows = reader.raw(reply.body, reply.charset)
    except TapCobrowserError:
        return Written(encoding=encoding)
    if rows and len(rows[0]) < len(command.columns) // 2:  # words that say that there is nothing
        return Written(encoding=encoding)
    text = reply.body.decode(utf_16(reply.body) or "latin-1", "replace")
    text = text.removeprefix("\xef\xbb\xbf")
    first_line = text.split("\n", 1)[0].strip("\r")
    header, names = _header(command, rows, first_line)
    cells = list(zip(*rows[1:] if names else rows, strict=True))
    positions = names or {column.name: at for at, column in enumerate(command.columns)}
    by_kind: dict[str, list[str]] = {"date-time": [], "number": [], "integer": []}
    for column in command.columns:
        if cells and column.kind in by_kind and column.name in positions:
            by_kind[column.kind] += [each for each in cells[positions[column.name]] if each]
    stamps = by_kind["date-time"][:_ENOUGH]
    return Written(
        header,
        encoding,
        "CRLF" if first_line + "\r\n" in text[: len(first_line) + 5] else "LF",
        _quoting(first_line, text, cells, way),
        frozenset(filter(None, map(_style_of_date, stamps))),
        frozenset(map(_offset, stamps)),
        frozenset(_styles_of_numbers(by_kind["number"], by_kind["integer"])),
    )


def _encoding(reply: Reply) -> str:
    body = reply.body
    if utf_16(body):
        return "UTF-16"
    if body.isascii():
        return ""
    with suppress(UnicodeDecodeError):
        body.decode("utf-8")
        marked = body.startswith(codecs.BOM_UTF8)
        return "UTF-8 with byte-order mark" if marked else "UTF-8"
    if re.search(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}", body):
        return "UTF-8, broken"
    charset = (reply.charset or "").lower()
    if charset and charset not in {"utf-8", "utf8", "windows-1252", "cp1252"}:
        with suppress(UnicodeError, LookupError):
            body.decode(charset)
            return codecs.lookup(charset).name
    return "Windows-1252"


def _header(
    command: Command, rows: Sequence[Sequence[str]], first_line: str
) -> tuple[str, dict[str, int]]:
    """Return how the header is written, and the positions of its columns; none without a header."""
    separated = re.fullmatch(r'"?sep=(.)"?.?', first_line)
    row = rows[1] if separated and len(rows) > 1 and rows[0][0].startswith("sep=") else rows[0]
    documented = [column.name for column in command.columns]
    lower = [name.strip().lower() for name in row]
    known = {name: lower.index(name.lower()) for name in documented if name.lower() in lower}
    if len(known) * 2 <= len(documented):
        return "none", {}
    parts = []
    if separated:
        parts.append("sep= line")
    if len(row) == len(documented) + 1 and not row[-1]:
        parts.append("trailing separator")
    elif any(name not in {each.lower() for each in documented} for name in lower if name):
        parts.append("unknown columns")
    if len(known) < len(documented):
        parts.append("missing columns")
    if list(known.values()) != sorted(known.values()):
        parts.append("other order")
    if any(row[at].strip() != name for name, at in known.items()):
        parts.append("other letter case")
    return ", ".join(parts) or "documented", known


def _quoting(first_line: str, text: str, cells: Sequence[Sequence[str]], way: str) -> str:
    """Return how quotes are written; empty if no cell has one."""
    everywhere = first_line.lstrip("\ufeff").startswith('"') and not first_line.startswith('"sep=')
    if not any('"' in cell for column in cells for cell in column):
        return ""
    if way in {"slashes", "escapes", "bare"}:
        return "bare" if way == "bare" else "slashes"
    if way == "doubled" and '""' in text:
        return "doubled" if everywhere else "doubled, only where needed"
    return "fputcsv"


def _style_of_date(cell: str) -> str:
    cell = cell.strip()
    if re.fullmatch(r"\d{9,10}", cell, re.ASCII):
        return _UNIX
    if re.match(r"\d{4}-", cell):
        return "ISO 8601"
    if _DUTCH.match(cell):
        return "RFC 2822, Dutch names"
    return "RFC 2822" if _ENGLISH.match(cell) else ""


def _offset(cell: str) -> str:
    found = _OFFSET.search(cell.strip())
    if not found:
        return "none"
    hours, minutes, zulu, name = found.groups()
    if zulu or name in {"GMT", "UTC", "UT"}:
        return "+00:00"
    return str(name or f"{hours}:{minutes or '00'}")


def _styles_of_numbers(numbers: Sequence[str], integers: Sequence[str]) -> Iterator[str]:
    if any("," in cell for cell in numbers):
        yield "decimal comma"
    if any(cell != cell.strip() for cell in (*numbers, *integers)):
        yield "blanks around"
    if numbers or integers:
        yield ""
