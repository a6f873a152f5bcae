"""Keeps secrets out of every output of the process, whoever writes it and in whatever encoding.

The API takes its key in the URL, so anything that quotes a URL can show it: exceptions, debug
logs of HTTP libraries, error pages that echo the request. What is registered with `protect` is
struck out of all that is logged or written to the standard error stream.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import sys
from io import TextIOBase
from typing import TYPE_CHECKING, TextIO

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

_patterns: dict[str, tuple[re.Pattern[str], str]] = {}


def protect(secret: str) -> None:
    """Strike a secret out of everything that is put out from now on.

    Args:
        secret: The text, of which no encoding may appear either: percent-encoding (any depth),
            the escapes of JSON, Python and HTML, base64.
    """
    if not secret or secret in _patterns:
        return
    # A mask without a character of the secret cannot complete what stands beside it to one.
    mask = next(mark for mark in "*#~-=_.x" if mark not in secret) * 3
    encoded = secret.encode("utf-8", "surrogatepass")
    alternatives = [
        "".join(_spellings(character) for character in secret),
        *(
            re.escape(code(encoded).decode("ascii").rstrip("="))
            for code in (base64.b64encode, base64.urlsafe_b64encode)
        ),
    ]
    _patterns[secret] = re.compile("|".join(alternatives)), mask


def redact(text: str) -> str:
    """Return the text with every protected secret struck out."""
    for pattern, mask in _patterns.values():
        text = pattern.sub(mask, text)
    return text


def quote(value: object, most: int = 200) -> str:
    """Return a value as one line to be quoted in a message: redacted first, then shortened."""
    text = " ".join(redact(str(value)).split())
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return repr(text) if len(text) <= most else f"{text[:most]!r}…"


def quote_exactly(value: str, most: int) -> str:
    """Return a value as one line in which every character can be seen: redacted, then shortened."""
    text = redact(value)
    return repr(text) if len(text) <= most else f"{text[:most]!r}…"


def guard_outputs() -> None:
    """Put redaction between the process and its outputs: all log handlers and standard error."""
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    for logger in [logging.root, *known]:
        for handler in logger.handlers:
            if not isinstance(handler.formatter, RedactingFormatter):
                handler.setFormatter(RedactingFormatter(handler.formatter))
    if not isinstance(sys.stderr, _RedactedStream):
        sys.stderr = _RedactedStream(sys.stderr)


class RedactingFormatter(logging.Formatter):
    """Strikes secrets out of what another formatter makes, tracebacks included."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        """Wrap a formatter, logging's own default if it is None."""
        super().__init__()
        self._inner = inner or logging.Formatter()

    @override
    def format(self, record: logging.LogRecord) -> str:
        return redact(self._inner.format(record))


class _RedactedStream(TextIOBase):
    """A text stream that strikes secrets out of what is written to it."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner

    @override
    def write(self, text: str, /) -> int:
        self._inner.write(redact(text))
        return len(text)

    @override
    def writable(self) -> bool:
        return True

    @override
    def flush(self) -> None:
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


def _spellings(character: str) -> str:
    """Return a regular expression for all the ways in which a character may be written."""
    encoded = character.encode("utf-8", "surrogatepass")
    spellings = {
        re.escape(character),
        # %2B, %2b, and %252B for what was encoded twice
        "".join(f"%(?:25)*(?i:{byte:02X})" for byte in encoded),
        "".join(rf"\\+x(?i:{byte:02X})" for byte in encoded),
        rf"\\+x(?i:{ord(character):02X})",
        rf"\\+U(?i:{ord(character):08X})",
        rf"&#0*{ord(character)};",
        rf"&#[xX]0*(?i:{ord(character):X});",
        re.escape(html.escape(character)),
        re.escape(encoded.decode("latin-1")),
        *_json_spellings(character),
    }
    if character == " ":
        spellings.add(r"\+")
    return f"(?:{'|'.join(sorted(spellings, key=len, reverse=True))})"


def _json_spellings(character: str) -> Iterator[str]:
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = [units[i : i + 2].hex() for i in range(0, len(units), 2)]
    yield "".join(rf"\\+u(?i:{pair})" for pair in pairs)
    if character in "\"\\'/":
        yield r"\\+" + re.escape(character)
    else:
        escaped = json.dumps(character)[1:-1]
        if escaped != character:
            yield r"\\*" + re.escape(escaped)
