"""Writes rows as CSV, in each way that a PHP service may write them."""

from __future__ import annotations

import codecs
import re
import zlib
from datetime import datetime
from email.utils import format_datetime
from itertools import chain
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zoneinfo import ZoneInfo

from sandbox.page import TABLES
from sandbox.readings import Readings

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
_SEPARATORS = {"semicolon": ";", "comma": ",", "colon": ":", "pipe": "|", "tab": "\t"}
_EMPTY = {"blank": "", "null": "NULL", "backslash_n": r"\N"}
_CHANGED_ONE_IN = 4
# Some words of the columns' names in other languages, at least one for each name
_WORDS = {
    "dutch": (
        "account=klant action=actie agent=medewerker avg=gemiddelde bcc=blindekopie "
        "disabled=verwijderd duration=duur email=mailadres filtername=filternaam "
        "firstname=voornaam from=van hostname=websitenaam hour=uur id=nummer lastname=achternaam "
        "length=lengte name=naam num=aantal numslots=plaatsen postfix=achtervoegsel "
        "preset=profiel start=begin state=toestand subject=onderwerp successcode=succescode "
        "time=tijd timestamp=tijdstip to=aan type=soort url=adres username=gebruikersnaam"
    ),
    "german": (
        "account=Konto action=Aktion agent=Mitarbeiter avg=Durchschnitt bcc=Blindkopie "
        "disabled=gelöscht duration=Dauer email=Mailadresse filtername=Filterbezeichnung "
        "firstname=Vorname from=von hostname=Websitename hour=Stunde id=Nummer lastname=Nachname "
        "length=Länge name=Bezeichnung num=Anzahl numslots=Plätze postfix=Nachsilbe preset=Profil "
        "start=Anfang state=Zustand subject=Betreff successcode=Erfolgscode time=Zeit "
        "timestamp=Zeitpunkt to=an type=Art url=Adresse username=Benutzername"
    ),
}


def content_type(readings: Readings) -> str:
    """Return the content type; it has no charset where a server would not know of it."""
    if readings.packed != "no":
        return f"application/{readings.packed}"
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
    return _PACK[readings.packed](_csv(header, separator, rows, readings))


def _csv(
    header: Iterable[str], separator: str, rows: Iterable[Row], readings: Readings
) -> Iterator[bytes]:
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
    separator = _SEPARATORS.get(readings.separator, separator)
    text, quote = _text(readings), _quote(readings.quoting, separator)
    trailing = separator if readings.trailing_separator else ""
    if readings.sep_line:
        yield f"sep={separator}{end}"
    if readings.header != "none":
        names = (_translate(name, readings.header) for name in header)
        yield separator.join(map(quote, names)) + trailing + end
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
    broken, nul, empty = readings.encoding == "broken-bytes", readings.nul, _EMPTY[readings.empty]

    def text(value: Value) -> str:
        if value is None:
            return empty
        if isinstance(value, datetime):
            return stamp(value.astimezone(zone) if zone else value)
        if isinstance(value, str):
            value = _with_nul(value) if nul else value
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
    "naive": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}",
    "naive_rfc2822": lambda moment: format_datetime(moment)[:-6],
}


def _stays(value: str) -> bool:
    """Return whether a text is not one of those to change, which are always the same."""
    return zlib.crc32(value.encode()) % _CHANGED_ONE_IN != 0


def _with_nul(value: str) -> str:
    """Insert a NUL character."""
    return value if not value or _stays(value) else f"{value[:1]}\0{value[1:]}"


def _cut(value: str) -> str:
    """Cut the last character beyond ASCII to its first byte."""
    if value.isascii() or _stays(value):
        return value
    index = max(i for i, character in enumerate(value) if not character.isascii())
    byte = value[index].encode()[:1].decode("ascii", "surrogateescape")
    return value[:index] + byte + value[index + 1 :]


def _translate(name: str, language: str) -> str:
    words = dict(each.split("=") for each in _WORDS.get(language, "").split())
    parts = re.findall("[A-Z]?[a-z]+", name)
    return " ".join(words.get(part.lower(), part) for part in parts) if words else name


# Files


def _gzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    compress = zlib.compressobj(wbits=31)
    yield from filter(None, map(compress.compress, blocks))
    yield compress.flush()


def _zip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    written = _Written()
    with ZipFile(written, "w") as archive:
        entry = ZipInfo("export.csv")
        entry.compress_type = ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as file:
            for block in blocks:
                file.write(block)
                yield from written.taken()
    yield from written.taken()


class _Written:
    """A file whose bytes can be taken as they are written."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: bytes) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last time."""
        blocks, self._blocks = self._blocks, []
        yield from filter(None, blocks)


_PACK: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "no": iter,
    "gzip": _gzip,
    "zip": _zip,
}


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
