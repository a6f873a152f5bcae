"""From bytes to text: the encoding, what stands above a table, and the words for nothing.

A text is decoded in pieces, as often as it is read, so that it is never in memory as a whole.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

SEPARATORS = ";,:|\t"

CHUNK = 2**16
"""The number of bytes that are decoded at once."""

_LONGEST_LINE = 16 * 2**20
_FEW = 2
_BLANK = " \t\r\n"
_LINE_END = re.compile(r"\r\n|\n|\r")
# A script in several files puts out what stands around its tags: marks, blanks and blank lines.
_AROUND = r"[\ufeff \t\r\n]*"
_ABOVE = re.compile(rf'{_AROUND}(?:"?sep=(.)"?[ \t]*(?:\r\n|\n|\r){_AROUND})?', re.IGNORECASE)
_FIRST_LINE = re.compile(r"[^\r\n]*[\r\n]*")

_LONGEST_NOTHING = 1_000
_LONGEST_PHRASE = 100
# `No database selected`, `No data-source` and `No results: timeout` are errors.
_NOTHING = re.compile(
    r"(?:(?:sorry|helaas),? )?(?:there (?:are|were|is|was) |er (?:zijn|waren|werden|is) )?"
    r"(?:(?:no|0) (?:data|results?|records|rows|entries|matches|conversations|chats|e-?mails"
    r"|messages|sessions|activity|activities|statistics)"
    r"|(?:geen|0) (?:data|gegevens|resultaat|resultaten|records|rijen|regels|gesprekken|chats"
    r"|e-?mails|berichten|sessies|activiteit|activiteiten|statistieken)"
    r"|nothing found|empty result|niets gevonden)(?![\w-])(?!\s*:)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of any size.

    Attributes:
        chunks: Opens its bytes, from the beginning.
        is_damaged: Whether it has bytes that are invalid in its encoding.
        has_nul: Whether it has NUL characters. They are left out.
        has_escaped_nul: Whether it has a NUL character as `addslashes` writes it.
        end: Its last two characters, without blanks.
    """

    chunks: Callable[[], Iterable[bytes]]
    encoding: str
    is_damaged: bool = False
    has_nul: bool = False
    has_backslash: bool = False
    has_escaped_nul: bool = False
    end: str = ""

    @property
    def is_ended(self) -> bool:
        """Whether its last line has a line end."""
        return self.end.endswith(("\n", "\r"))

    @property
    def start(self) -> str:
        """Its beginning, with the first lines."""
        return "".join(islice(self.pieces(), 2))

    def pieces(self, skip: int = 0) -> Iterator[str]:
        """Yield the text behind `skip` characters, without blank lines around it, in pieces.

        They have about 64 KiB and end with a line end; the last one need not have one.
        """
        rest, blank = "", True
        for text in _decoded(self.chunks(), self.encoding):
            piece = rest + text.replace("\0", "")
            blank = blank and piece.isspace()
            if blank:  # which need not be kept
                continue
            end = _last_line_end(piece)
            if not end and len(piece) > _LONGEST_LINE:
                end = len(piece)
            rest = piece[end:]
            if skip < end:
                yield piece[skip:end]
            skip = max(skip - end, 0)
        if rest[skip:].strip(_BLANK):
            yield rest[skip:]


def _last_line_end(piece: str) -> int:
    """Return where the last line that is not blank ends, if it does not end with the piece."""
    last = len(piece.rstrip(_BLANK))
    # A carriage return at the end may be half of a line end.
    found = _LINE_END.match(piece, last, len(piece) - piece.endswith("\r"))
    return found.end() if found else max(piece.rfind("\n", 0, last), piece.rfind("\r", 0, last)) + 1


def text_of(body: bytes, charset: str | None = None) -> Text:
    """Return the text of a body; see `open_text`."""
    return open_text(lambda: (body[at : at + CHUNK] for at in range(0, len(body), CHUNK)), charset)


def open_text(chunks: Callable[[], Iterable[bytes]], charset: str | None = None) -> Text:
    """Return the text that bytes are; `chunks` opens them, from the beginning.

    It is UTF-16 if it begins with its mark; UTF-8 if all but a few bytes are valid, more readily
    if the charset in `Content-Type` says so; otherwise the charset decides, and without one it is
    Windows-1252.
    """
    if next(iter(chunks()), b"").startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _scanned(Text(chunks, "UTF-16"))
    text = Text(chunks, "UTF-8")
    try:
        return _scanned(text, "strict")
    except UnicodeDecodeError:
        pass
    if _is_damaged_utf_8(text, charset):
        return _scanned(text)
    try:
        # not all of its codecs raise the same, and some are none of text
        if charset and not b"".decode(charset):
            return _scanned(Text(chunks, codecs.lookup(charset).name), "strict")
    except (ValueError, LookupError):
        pass
    return _scanned(Text(chunks, "Windows-1252"))


def decode(body: bytes, charset: str | None = None) -> str:
    """Return the text of a body as a whole."""
    text = text_of(body, charset)
    return "".join(_decoded(text.chunks(), text.encoding))


def _scanned(text: Text, errors: str = "replace") -> Text:
    """Return a text with what is to be known of it before it is parsed.

    With `strict` errors, a UnicodeDecodeError is raised if it is not in its encoding.
    """
    damaged = nul = backslash = escaped_nul = False
    end = ""
    for piece in _decoded(text.chunks(), text.encoding, errors):
        damaged = damaged or (errors == "replace" and "\ufffd" in piece)
        nul = nul or "\0" in piece
        if "\\" in piece:
            backslash = True
            escaped_nul = escaped_nul or "\\0" in piece.replace("\\\\", "")
        end = (end + piece.rstrip(" \t"))[-2:]
    return replace(
        text,
        is_damaged=damaged,
        has_nul=nul,
        has_backslash=backslash,
        has_escaped_nul=escaped_nul,
        end=end,
    )


def _decoded(chunks: Iterable[bytes], encoding: str, errors: str = "replace") -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    first = True
    for chunk in chunks:
        yield decoder.decode(chunk.removeprefix(codecs.BOM_UTF8) if first else chunk)
        first = False
    yield decoder.decode(b"", final=True)


def _is_damaged_utf_8(text: Text, charset: str | None) -> bool:
    """Return whether bytes are UTF-8 but for a few: texts are cut in the middle of a character.

    Text in another encoding has hardly any character that is valid UTF-8. PHP calls UTF-8 whatever
    it puts out: what has no such character is not UTF-8 all the same.
    """
    broken = valid = 0
    for piece in _decoded(text.chunks(), text.encoding):
        invalid = piece.count("\ufffd")
        broken += invalid
        valid += len(piece) - len(piece.encode("ascii", "ignore")) - invalid
    says_so = (charset or "").lower().replace("-", "").replace("_", "") == "utf8"
    return valid >= broken or (says_so and (valid > 0 or broken <= _FEW))


# The first lines


class Head(NamedTuple):
    """The first line of a table: what separates its cells, and the cells.

    It has `begin` characters above it; the next line, without blank ones, has `end`.
    """

    separator: str
    names: tuple[str, ...]
    begin: int
    end: int


def head_of(text: str, documented: Collection[str], separator: str) -> Head:
    """Return the first line of a table.

    `text` is the beginning of a text. Of the separators, it has the one under which it names most
    `documented` columns (in lower case); `separator` is the one that was requested.
    """
    above = _ABOVE.match(text)
    begin = above.end() if above else 0
    if above and above[1] and above[1] in SEPARATORS:
        separator = above[1]
    line = _FIRST_LINE.match(text, begin)
    end = line.end() if line else begin

    def names(by: str) -> tuple[str, ...]:
        return tuple(name.strip().strip('"').strip() for name in text[begin:end].split(by))

    best = max(separator + SEPARATORS, key=lambda each: count_named(names(each), documented))
    if count_named(names(best), documented) > 1:
        separator = best
    return Head(separator, names(separator), begin, end)


def count_named(names: Iterable[str], documented: Collection[str]) -> int:
    """Return how many documented columns are named."""
    return len({name.lower() for name in names}.intersection(documented))


def count_lines(text: str) -> int:
    """Return the number of line ends in a text."""
    return len(_LINE_END.findall(text))


def is_nothing(body: bytes, charset: str | None = None) -> bool:
    """Return whether a body says that there are no rows; see `says_nothing`."""
    if len(body) > _LONGEST_NOTHING and body[:_LONGEST_NOTHING].strip():
        return False
    return says_nothing(decode(body, charset))


def says_nothing(text: str) -> bool:
    """Return whether a text is blank, or one short line that says that there are no rows."""
    line = text.strip("\ufeff \t\r\n")
    if len(line) > _LONGEST_PHRASE or _LINE_END.search(line):
        return False
    return not line or _NOTHING.match(" ".join(line.strip("\"' ").split())) is not None
