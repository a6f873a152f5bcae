"""Pure: the encodings in which a text may be echoed, and the views of a text with escapes undone.

A server may echo what it was sent in any encoding, in any letter case, broken over lines and cut
at either end. The secret is therefore spelled in each encoding that is in use, and the text is
searched at each depth of its escapes, with the place of every character in the original.
"""

from __future__ import annotations

import base64
import html
import json
import re
from contextlib import suppress
from functools import lru_cache
from html.entities import html5
from itertools import chain, product
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHORTEST = 4
"""Minimum length of a spelling: a shorter one would be found in every text."""
PIECE = 6
"""Number of consecutive characters that count as a piece of a text."""

_PER_BYTE = ("%{:02x}", r"\x{:02x}", "={:02x}", "{:02x}", "{:02x}:")
_PER_CHARACTER = (
    *("&#{};", "&#{:03};", "&#{:04};", "&#x{:x};", "&#x{:04x};"),
    *(r"\u{:04x}", r"\u{{{:x}}}", r"\U{:08x}"),
)
_UNQUOTED = ("", "/", "+", "/+&=", "!*'()~", ";/?:@&=+$,#!*'()~")
"""Characters that libraries do not escape in a URL."""
_MOST_VIEWS = 16
_HEX = "[0-9a-fA-F]"
_UNIT = re.compile(rf"(?:%|\\+x)({_HEX}{{2}})|\\+u({_HEX}{{4}})")
_ESCAPES = (
    re.compile(rf"(?:%{_HEX}{{2}})+"),
    re.compile(
        rf"(?:\\+x{_HEX}{{2}})+|(?:\\+u{_HEX}{{4}})+"
        rf"|\\+(?:u\{{{_HEX}{{1,6}}\}}|U{_HEX}{{8}})"
        r"""|\\+["'/\\]"""
    ),
    re.compile(rf"&(?:#\d{{1,7}}|#[xX]{_HEX}{{1,6}}|[a-zA-Z][a-zA-Z0-9]{{1,30}});?"),
)
"""Escapes of URLs, of programs and JSON, and of HTML."""
# Line breaks, and characters that are not visible.
_BREAKS = re.compile(
    r"=?[\s\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufffd]+"
    r"|\\+[nrt]|</?w?br\s*/?>"
)


class Spellings(NamedTuple):
    """A text in all encodings, in lower case.

    Attributes:
        whole: The whole text, one spelling each.
        pieces: Every six consecutive characters of a spelling, and spellings that are shorter than
            that.
    """

    whole: frozenset[str]
    pieces: frozenset[str]


class View(NamedTuple):
    """A text in lower case with some escapes undone.

    Attributes:
        text: The text.
        starts: Where each of its characters begins in the original.
        ends: Where each of its characters ends in the original.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


@lru_cache(maxsize=8)
def spell(text: str) -> Spellings:
    """Return a text in all encodings in which services echo what they were sent."""
    raw = text.encode("utf-8", "surrogatepass")
    plain = {
        text,
        text[::-1],
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(raw)[2:-1],
        raw.decode("latin-1"),
        html.escape(text),
        *_json(text),
        *_named(text),
        *("".join(form.format(ord(each)) for each in text) for form in _PER_CHARACTER),
        "".join(rf"\u{unit}" for unit in re.findall("....", text.encode(*_UTF_16).hex())),
    }
    for coding in ("utf-8", "latin-1", "cp1252"):
        with suppress(UnicodeEncodeError):
            coded = text.encode(coding, "surrogatepass" if coding == "utf-8" else "strict")
            plain |= {"".join(form.format(byte) for byte in coded) for form in _PER_BYTE}
            for safe, code in product(_UNQUOTED, (quote, quote_plus)):
                plain.add(code(coded, safe=safe))
    plain |= {again for each in plain for again in (quote(each, safe=""), html.escape(each))}
    plain |= {again for each in plain for again in (repr(each)[1:-1], *_json(each))}
    ends: set[str] = set()
    for coded in {raw, quote(raw, safe="").encode(), quote_plus(raw).encode()}:
        plain.add(coded.hex())
        for form, end in _base64(coded):
            plain.add(form)
            ends.add(end)
    folded = {_fold(form) for each in plain for form in (each, _BREAKS.sub("", each))}
    whole = frozenset(each for each in folded if len(each.strip()) >= SHORTEST)
    pieces = {each for each in whole if len(each) < PIECE}
    for each in chain(whole, map(_fold, ends)):
        pieces.update(each[at : at + PIECE] for at in range(len(each) - PIECE + 1))
    return Spellings(whole, frozenset(pieces))


def views(text: str) -> Iterator[View]:
    """Yield a text as it is and with its escapes undone, each also without line breaks.

    Escapes of one kind are undone at a time, in every order, because kinds may be nested.
    """
    found = {text: View(_fold(text), range(len(text)), range(1, len(text) + 1))}
    unread = [text]
    while unread:
        read = unread.pop(0)
        view = found[read]
        yield view
        if _BREAKS.search(view.text):
            yield _joined(view)
        for escapes in _ESCAPES:
            if len(found) < _MOST_VIEWS and escapes.search(read):
                further, its_view = _unescaped(read, view, escapes)
                if further not in found:
                    found[further] = its_view
                    unread.append(further)


def _fold(text: str) -> str:
    """Return a text in lower case, of the same length."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


_UTF_16 = ("utf-16-be", "surrogatepass")


def _json(text: str) -> Iterator[str]:
    for form in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield form
        yield form.replace("/", r"\/")


def _named(text: str) -> Iterator[str]:
    """Yield a text with HTML's names for its characters, of which some have several."""
    names: dict[str, list[str]] = {}
    for name, character in html5.items():
        if name.endswith(";") and character in text:
            names.setdefault(character, []).append(f"&{name}")
    for at in range(max(map(len, names.values()), default=0)):
        named = {each: found[at % len(found)] for each, found in names.items()}
        yield "".join(named.get(each, each) for each in text)


def _base64(raw: bytes) -> Iterator[tuple[str, str]]:
    """Yield the base64 of bytes at each position among others, and its possible ends.

    The ends include the characters that the bytes share with their neighbours.
    """
    for shift in range(3):
        begin, end = shift * 8, (shift + len(raw)) * 8
        for neighbour in range(16):
            before, after = bytes([neighbour]) * shift, bytes([neighbour << 4]) * 3
            for code in (base64.b64encode, base64.urlsafe_b64encode):
                coded = code(before + raw + after).decode("ascii")
                ends = coded[begin // 6 : -(-end // 6)]
                yield coded[-(-begin // 6) : end // 6], ends[:PIECE]
                yield coded[-(-begin // 6) : end // 6].replace("+", " "), ends[-PIECE:]


def _joined(view: View) -> View:
    breaks = [False] * len(view.text)
    for found in _BREAKS.finditer(view.text):
        breaks[found.start() : found.end()] = [True] * (found.end() - found.start())
    kept = [at for at, is_break in enumerate(breaks) if not is_break]
    return View(
        "".join(view.text[at] for at in kept),
        [view.starts[at] for at in kept],
        [view.ends[at] for at in kept],
    )


def _unescaped(text: str, view: View, escapes: re.Pattern[str]) -> tuple[str, View]:
    """Return a text with one layer of escapes undone, and its view."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for found in chain(escapes.finditer(text), [None]):
        until = found.start() if found else len(text)
        characters += text[done:until]
        starts += view.starts[done:until]
        ends += view.ends[done:until]
        if found:
            for character, begin, end in _characters(found[0]):
                characters.append(character)
                starts.append(view.starts[until + begin])
                ends.append(view.ends[until + end - 1])
            done = found.end()
    read = "".join(characters)
    return read, View(_fold(read), starts, ends)


def _characters(escapes: str) -> Iterator[tuple[str, int, int]]:
    """Yield the characters of consecutive escapes, and where each begins and ends."""
    units = list(_UNIT.finditer(escapes))
    if not units:
        if escapes[0] == "&":
            meant = html.unescape(escapes)
        elif escapes[-1] in "\"'/\\":
            meant = escapes[-1]
        else:
            code = int(escapes.lstrip("\\").strip("uU{}"), 16)
            meant = chr(code) if code < 0x110000 else escapes  # noqa: PLR2004 - where Unicode ends
        if meant == escapes:
            yield from ((each, at, at + 1) for at, each in enumerate(escapes))
        else:
            yield from ((each, 0, len(escapes)) for each in meant)
        return
    size, coding, errors = (2, *_UTF_16) if units[0][2] else (1, "utf-8", "surrogateescape")
    coded = bytes.fromhex("".join(unit[1] or unit[2] for unit in units))
    at = 0
    for character in coded.decode(coding, errors):
        following = at + len(character.encode(coding, errors)) // size
        begin, end = units[at].start(), units[following - 1].end()
        at = following
        # a byte that is not UTF-8 is taken for Latin-1
        is_byte = size == 1 and "\udc80" <= character <= "\udcff"
        yield chr(ord(character) - 0xDC00) if is_byte else character, begin, end
