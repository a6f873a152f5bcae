"""Keeps secrets out of every output of the process, in any encoding.

The API takes its key in the URL, so anything that quotes a URL can show it: exceptions, debug
logs of HTTP libraries, error pages that echo the request. Secrets registered with `protect` are
removed from everything that is logged or written to standard error. Text of others may be cut
anywhere, so it is quoted without any piece of a secret.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from io import TextIOBase
from typing import TYPE_CHECKING, TextIO

from tap_cobrowser.spellings import SHORTEST, spell, views

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_READ = 16 * 1024
_OWN_LOGGERS = ("tap-cobrowser", "singer_sdk.metrics")
_MASKS = "*#~-=_.x" + "".join(map(chr, range(ord("!"), ord("~"))))

_masks: dict[str, str] = {}
"""The mask that replaces each secret."""


def protect(secret: str) -> None:
    """Remove a secret from all output from now on.

    Args:
        secret: The text, without regard to spaces around it. If it is shorter than four characters,
            it is ignored: it would remove these letters from every word.
    """
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return
    # A mask without any character of the secret cannot complete it with the text beside it.
    mask = next((mark for mark in _MASKS if mark not in secret), "\N{FULL BLOCK}") * 3
    _masks.setdefault(secret, mask)
    # These libraries log URLs, and programs that use only the API client have no guarded handlers.
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "urllib3":
            logging.getLogger(name).addFilter(_LIBRARIES)


def redact(text: str, *, pieces: bool = False) -> str:
    """Return a text without any protected secret, in any encoding and letter case.

    Args:
        text: The text.
        pieces: Whether to remove any six consecutive characters of a secret, too. This is for text
            of others; in the tap's own text, it may remove words that are part of the secret.
    """
    for secret, mask in list(_masks.items()):
        spelled = spell(secret)
        struck = bytearray(len(text))
        for view in views(text):
            found = (
                _pieces(view.text, spelled.pieces) if pieces else _find(view.text, spelled.whole)
            )
            for begin, end in found:
                first, last = view.starts[begin], view.ends[end - 1]
                struck[first:last] = b"\1" * (last - first)
        if any(struck):
            text = "".join(
                mask if flag else text[begin:end] for flag, begin, end in _stretches(struck)
            )
    return text


def one_line(value: object, most: int = 200) -> str:
    """Return text of others as one line: first redacted, then shortened."""
    text = _redacted_line(str(value)[:_MOST_READ])
    return text if len(text) <= most else f"{text[:most]}…"


def quote(value: object, most: int = 200, *, end: bool = False) -> str:
    """Return text of others as one line in quotation marks, with nothing escaped.

    Args:
        value: What to show.
        most: Maximum number of characters.
        end: Whether to show the end rather than the beginning.
    """
    text = str(value)
    text = _redacted_line(text[-_MOST_READ:] if end else text[:_MOST_READ])
    mark = '"' if "'" in text and '"' not in text else "'"
    if len(text) <= most:
        return f"{mark}{text}{mark}"
    return f"…{mark}{text[-most:]}{mark}" if end else f"{mark}{text[:most]}{mark}…"


def _redacted_line(text: str) -> str:
    line = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in " ".join(text.split())
    )
    return redact(line, pieces=True)


def quote_exactly(value: str, most: int) -> str:
    """Return a value as one line with every character visible: first redacted, then shortened."""
    text = redact(value[:_MOST_READ], pieces=True)
    return repr(text) if len(text) <= most else f"{text[:most]!r}…"


def guard_outputs() -> None:
    """Redact all log handlers and standard error."""
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    for logger in [logging.root, *known]:
        for handler in logger.handlers:
            if not isinstance(handler.formatter, RedactingFormatter):
                handler.setFormatter(RedactingFormatter(handler.formatter))
    if not isinstance(sys.stderr, _RedactedStream):
        sys.stderr = _RedactedStream(sys.stderr)


class RedactingFormatter(logging.Formatter):
    """Removes secrets from the output of another formatter, tracebacks included."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        """Wrap a formatter; None for the default of `logging`."""
        super().__init__()
        self._inner = inner or logging.Formatter()

    @override
    def format(self, record: logging.LogRecord) -> str:
        text = self._inner.format(record)
        # The tap's own messages quote others without pieces already.
        own = record.name.startswith(_OWN_LOGGERS) and not record.exc_info
        return redact(text, pieces=not own)


class _RedactedStream(TextIOBase):
    """A text stream that removes secrets from what is written to it."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner

    @override
    def write(self, text: str, /) -> int:
        with suppress(OSError):  # an error of standard error cannot be reported
            self._inner.write(redact(text, pieces=True))
        return len(text)

    @override
    def writable(self) -> bool:
        return True

    @override
    def flush(self) -> None:
        with suppress(OSError):
            self._inner.flush()

    @override
    def fileno(self) -> int:
        return self._inner.fileno()

    @override
    def isatty(self) -> bool:
        return self._inner.isatty()

    @property
    @override
    def encoding(self) -> str:  # type: ignore[override] # nobody is to set it
        return self._inner.encoding


class _LibraryFilter(logging.Filter):
    """Removes secrets from the log records of libraries, before any handler gets them."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), pieces=True), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(text, pieces=True), None
        return True


_LIBRARIES = _LibraryFilter()


def _find(text: str, spellings: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Yield the positions of spellings in a text, overlapping ones included."""
    for spelling in spellings:
        at = text.find(spelling)
        while at >= 0:
            yield at, at + len(spelling)
            at = text.find(spelling, at + 1)


def _pieces(text: str, pieces: frozenset[str]) -> Iterable[tuple[int, int]]:
    """Yield the positions of pieces in a text."""
    for length in set(map(len, pieces)):
        for at in range(len(text) - length + 1):
            if text[at : at + length] in pieces:
                yield at, at + length


def _stretches(flags: bytearray) -> Iterable[tuple[int, int, int]]:
    """Yield each run of equal flags: the flag, begin and end."""
    begin = 0
    while begin < len(flags):
        end = flags.find(not flags[begin], begin)
        end = len(flags) if end < 0 else end
        yield flags[begin], begin, end
        begin = end
