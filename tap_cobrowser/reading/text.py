"""From bytes to text: the encoding, what stands above a table, and the words for nothing.

A text is decoded in pieces, as often as it is read, so that it is never in memory as a whole.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
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

_BLANK_START = re.compile(rb"[ \t\r\n]*")
_LONGEST_NOTHING = 1_000
_LONGEST_PHRASE = 100
_LEADS = (
    *("sorry, ", "sorry ", "there are ", "there were ", "there is ", "there was "),
    *("helaas, ", "helaas ", "er zijn ", "er waren ", "er werden ", "er is "),
)
_PHRASES = (
    *("no data", "no result", "no results", "no records", "no rows", "no entries", "no matches"),
    *("no conversations", "no chats", "no emails", "no e-mails", "no messages", "no sessions"),
    *("no activity", "no activities", "no statistics", "nothing found", "empty result"),
    *("0 results", "0 records", "0 rows"),
    *("geen data", "geen gegevens", "geen resultaat", "geen resultaten", "geen records"),
    *("geen rijen", "geen regels", "geen gesprekken", "geen chats", "geen e-mails", "geen emails"),
    *("geen berichten", "geen sessies", "geen activiteit", "geen activiteiten"),
    *("geen statistieken", "niets gevonden", "0 resultaten", "0 rijen"),
)
# `No database selected`, `No data-source` and `No results: timeout` are errors.
_AFTER_PHRASE = re.compile(r"(?![\w-])(?!\s*:)")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of any size.

    Attributes:
        chunks: Opens its bytes, from the beginning.
        encoding: Its encoding, as users know it.
        codec: Its encoding, as Python knows it.
        errors: How bytes are decoded that are invalid in it.
        is_damaged: Whether it has such bytes.
        has_nul: Whether it has NUL characters. They are left out.
        has_backslash: Whether it has a backslash.
        has_escaped_nul: Whether it has a NUL character as `addslashes` writes it.
        end: Its last two characters, without blanks.
    """

    chunks: Callable[[], Iterable[bytes]]
    encoding: str
    codec: str
    errors: str = "strict"
    is_damaged: bool = False
    has_nul: bool = False
    has_backslash: bool = False
    has_escaped_nul: bool = False
    end: str = ""

    @property
    def is_ended(self) -> bool:
        """Whether its last line has a line end."""
        return self.end.endswith(("\n", "\r"))

    def pieces(self, skip: int = 0) -> Iterator[str]:
        """Yield the text in pieces, without blank ones at the beginning and blanks at the end.

        Args:
            skip: The number of characters to leave out at the beginning.

        Yields:
            About 64 KiB that end with a line end; the last piece need not have one.
        """
        rest, blank = "", True
        for text in _decoded(self.chunks(), self.codec, self.errors):
            piece = rest + (text.replace("\0", "") if self.has_nul else text)
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
    tail = piece[-1000:]  # a copy of all would take longer than the rest
    tail = piece if tail.isspace() else tail
    last = len(piece) - len(tail) + len(tail.rstrip(_BLANK))
    # A carriage return at the end may be half of a line end.
    found = _LINE_END.match(piece, last, len(piece) - piece.endswith("\r"))
    return found.end() if found else max(piece.rfind("\n", 0, last), piece.rfind("\r", 0, last)) + 1


def chunks_of(body: bytes) -> Iterator[bytes]:
    """Yield the bytes of a body in chunks."""
    return (body[at : at + CHUNK] for at in range(0, len(body), CHUNK))


def open_text(chunks: Callable[[], Iterable[bytes]], charset: str | None = None) -> Text:
    """Return the text that bytes are.

    It is UTF-16 if it begins so; UTF-8 if all but a few bytes are valid; otherwise the charset
    decides, and without one it is Windows-1252.

    Args:
        chunks: Opens the bytes, from the beginning.
        charset: The charset in `Content-Type`, if there is one.
    """
    first = next(iter(chunks()), b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _scanned(Text(chunks, "UTF-16", "utf-16", "replace"))
    try:
        return _scanned(Text(chunks, "UTF-8", "utf-8"))
    except UnicodeDecodeError:
        pass
    if _is_damaged_utf_8(chunks, charset):
        return _scanned(Text(chunks, "UTF-8", "utf-8", "replace"))
    try:
        # not all of its codecs raise the same, and some are none of text
        if charset and not b"".decode(charset):
            return _scanned(Text(chunks, codecs.lookup(charset).name, charset))
    except (ValueError, LookupError):
        pass
    # Five bytes are undefined in Windows-1252. They are shown as escapes rather than dropped.
    return _scanned(Text(chunks, "Windows-1252", "cp1252", "backslashreplace"))


def decode(body: bytes, charset: str | None = None) -> str:
    """Return the text of a body as a whole."""
    text = open_text(lambda: chunks_of(body), charset)
    return "".join(_decoded(text.chunks(), text.codec, text.errors))


def _scanned(text: Text) -> Text:
    """Return a text with what is to be known before it is parsed.

    Raises:
        UnicodeDecodeError: If it is not in its encoding.
    """
    damaged = nul = backslash = escaped_nul = False
    end = ""
    for piece in _decoded(text.chunks(), text.codec, text.errors):
        damaged = damaged or (text.errors == "replace" and "\ufffd" in piece)
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


def _decoded(chunks: Iterable[bytes], codec: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)(errors)
    first = True
    for chunk in chunks:
        yield decoder.decode(chunk.removeprefix(codecs.BOM_UTF8) if first else chunk)
        first = False
    yield decoder.decode(b"", final=True)


def _is_damaged_utf_8(chunks: Callable[[], Iterable[bytes]], charset: str | None) -> bool:
    """Return whether bytes are UTF-8 but for a few: texts are cut in the middle of a character.

    Text in another encoding has hardly any character that is valid UTF-8. PHP calls UTF-8 whatever
    it puts out: what has no such character is not UTF-8 all the same.
    """
    broken = beyond_ascii = 0
    for piece in _decoded(chunks(), "utf-8", "replace"):
        broken += piece.count("\ufffd")
        beyond_ascii += len(piece) - len(piece.encode("ascii", "ignore"))
    says_so = (charset or "").lower().replace("-", "").replace("_", "") == "utf8"
    return beyond_ascii >= 2 * broken or (says_so and (beyond_ascii > broken or broken <= _FEW))


# The first lines


class Head(NamedTuple):
    """The first line of a table.

    Attributes:
        separator: The separator of cells.
        names: Its cells.
        begin: The number of characters above it.
        end: The number of characters above the rows, if it is a header.
    """

    separator: str
    names: tuple[str, ...]
    begin: int
    end: int


def head_of(text: str, documented: Collection[str], separator: str) -> Head:
    """Return the first line of a table, and what separates its cells.

    Args:
        text: The beginning of a text.
        documented: The names of the documented columns, in lower case.
        separator: The separator that was requested.
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
    """Return whether a body is blank, or one short line that says that there are no rows."""
    blank = _BLANK_START.match(body)
    if len(body) - (blank.end() if blank else 0) > _LONGEST_NOTHING:
        return False
    text = decode(body, charset)
    return not text.strip("\ufeff \t\r\n") or says_nothing(text)


def says_nothing(text: str) -> bool:
    """Return whether a text is one short line that says that there are no rows."""
    line = text.strip("\ufeff \t\r\n")
    if len(line) > _LONGEST_PHRASE or _LINE_END.search(line):
        return False
    line = " ".join(line.strip("\"' ").lower().split())
    for lead in _LEADS:
        line = line.removeprefix(lead)
    return any(
        line.startswith(phrase) and _AFTER_PHRASE.match(line, len(phrase)) for phrase in _PHRASES
    )
