"""Writes rows as CSV, in each way that a PHP service may write them."""

from __future__ import annotations

import codecs
import re
from datetime import datetime
from email.utils import format_datetime
from itertools import chain
from typing import TYPE_CHECKING
from zlib import crc32
from zoneinfo import ZoneInfo

from sandbox.readings import Readings
from sandbox.world import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.world import Row, Value

_BLOCK = 64 * 1024
_DUTCH_DAYS = ("ma", "di", "wo", "do", "vr", "za", "zo")
_DUTCH_MONTHS = ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec")
_NOTHING = {"text": "No results found", "dutch_text": "Geen gegevens"}
_LINE_ENDS = {"lf": "\n", "crlf": "\r\n"}
_ENCODINGS = {
    "utf-8": ("utf-8", "strict"),
    "utf-16": ("utf-16", "strict"),
    # Characters that the encoding lacks become question marks
    "windows-1252": ("cp1252", "replace"),
    "broken-bytes": ("utf-8", "surrogateescape"),
}
_CUT_ONE_IN = 4


def content_type(readings: Readings) -> str:
    """Return the content type; it has no charset where a server would not know of it."""
    charset = {"utf-8": "; charset=utf-8", "utf-16": "; charset=utf-16"}
    return f"text/csv{charset.get(readings.encoding, '')}"


def csv_of(
    command: str, separator: str, rows: Iterable[Row], readings: Readings | None = None
) -> Iterator[bytes]:
    """Yield the CSV of a command in blocks.

    Args:
        command: The command, whose columns make the header.
        separator: The separator of values.
        rows: The rows.
        readings: How they are written; by default as the page says.
    """
    return csv_lines(TABLES[command], separator, rows, readings or Readings())


def csv_lines(
    header: Iterable[str], separator: str, rows: Iterable[Row], readings: Readings
) -> Iterator[bytes]:
    """Yield the CSV of any table in blocks; see `csv_of`."""
    name, errors = _ENCODINGS[readings.encoding]
    encode = codecs.getincrementalencoder(name)(errors).encode
    block: list[str] = []
    size = 0
    for line in _lines(header, separator, rows, readings):
        block.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield encode("".join(block))
            block, size = [], 0
    if block:
        yield encode("".join(block))


def _lines(
    header: Iterable[str], separator: str, rows: Iterable[Row], readings: Readings
) -> Iterator[str]:
    """Yield the pieces of a response; each row's line end comes before the next row."""
    end = _LINE_ENDS[readings.line_end]
    last = end if readings.last_line_ended else ""
    rest = iter(rows)
    first = next(rest, None)
    if first is None and readings.nothing != "header":
        if readings.nothing in _NOTHING:
            yield _NOTHING[readings.nothing]  # PHP's `die` ends no line
        return
    text, quote = _text(readings), _quote(readings.quoting, separator)
    trailing = separator if readings.trailing_separator else ""
    if readings.sep_line:
        yield f"sep={separator}{end}"
    yield separator.join(map(quote, header)) + trailing + end
    if first is None:
        return
    before = ""
    for row in chain([first], rest):
        yield before + separator.join([quote(text(value)) for value in row]) + trailing
        before = end
    yield last


# Values


def _text(readings: Readings) -> Callable[[Value], str]:
    stamp = _STAMPS[readings.dates]
    zone = ZoneInfo(readings.stamp_zone) if readings.stamp_zone else None
    comma, blank = readings.numbers == "comma", readings.numbers == "blank"
    broken = readings.encoding == "broken-bytes"

    def text(value: Value) -> str:
        if value is None:
            return ""
        if isinstance(value, datetime):
            return stamp(value.astimezone(zone) if zone else value)
        if isinstance(value, str):
            return _cut(value) if broken else value
        if comma:
            return str(value).replace(".", ",")
        return f" {value} " if blank else str(value)

    return text


def _dutch(moment: datetime) -> str:
    day, month = _DUTCH_DAYS[moment.weekday()], _DUTCH_MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment:%Y %H:%M:%S %z}"


_STAMPS: dict[str, Callable[[datetime], str]] = {
    "rfc2822": format_datetime,
    "dutch": _dutch,
    "iso": lambda moment: moment.isoformat(timespec="seconds"),
    "unix": lambda moment: str(int(moment.timestamp())),
}


def _cut(value: str) -> str:
    """Cut the last character beyond ASCII to its first byte, always in the same texts."""
    if value.isascii() or crc32(value.encode()) % _CUT_ONE_IN:
        return value
    index = max(i for i, character in enumerate(value) if not character.isascii())
    byte = value[index].encode()[:1].decode("ascii", "surrogateescape")
    return value[:index] + byte + value[index + 1 :]


# Quotes


def _quote(quoting: str, separator: str) -> Callable[[str], str]:
    if quoting == "doubled":
        return lambda text: '"' + text.replace('"', '""') + '"'
    if quoting == "bare":
        return lambda text: f'"{text}"'
    if quoting == "slashes":
        return lambda text: '"' + _SLASHED.sub(_slash, text) + '"'
    # PHP's fputcsv: in quotes only what has one of these, and with an escape character also that
    escape = "\\\\" if quoting == "fputcsv" else ""
    special = re.compile(rf'[{re.escape(separator)}"\n\r\t {escape}]')
    if quoting == "rfc":
        return lambda text: '"' + text.replace('"', '""') + '"' if special.search(text) else text
    return lambda text: '"' + _ESCAPED.sub(_double, text) + '"' if special.search(text) else text


_SLASHED = re.compile(r"['\"\\\0]")
# A backslash suspends doubling until the next other character (php_fputcsv in PHP's file.c).
_ESCAPED = re.compile(r'\\+[^\\]?|"')


def _slash(found: re.Match[str]) -> str:
    return "\\0" if found[0] == "\0" else "\\" + found[0]


def _double(found: re.Match[str]) -> str:
    return '""' if found[0] == '"' else found[0]
