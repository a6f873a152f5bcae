"""Writes Singer messages to standard output: fast, and only whole lines."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import lru_cache
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

from tap_cobrowser.errors import TargetGoneError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.singerlib.encoding.simple import Message

_BLOCK = 64 * 1024
_WAIT = 0.01

RECORDS_AT_ONCE = 250
"""How many to encode at once: about 100 KB. The system maps and clears much larger blocks of memory
each time, which takes longer than to fill them."""


@lru_cache(maxsize=64)
def _record_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a type that is encoded as a record of these columns, much faster than a dict."""
    fields = [f"column_{at}" for at in range(len(names))]
    rename = dict(zip(fields, names, strict=True))
    return msgspec.defstruct("Record", fields, rename=rename, gc=False)


def encodable(names: tuple[str, ...], columns: Sequence[Iterable[Any]]) -> Iterator[Any]:
    """Yield rows as objects that msgspec encodes as a JSON object of these columns."""
    return map(_record_type(names), *columns) if columns else iter(())


def record_lines(
    stream: str,
    names: tuple[str, ...],
    columns: Sequence[Iterable[Any]],
    *,
    time_extracted: datetime,
    version: int | None,
) -> Iterator[bytes]:
    """Yield the RECORD messages of rows, one per line, in blocks of many lines.

    `version` is that of the table, for ACTIVATE_VERSION.
    """
    # Everything except the record is encoded only once.
    others = [encoder.encode(each) for each in ("RECORD", stream, time_extracted, version)]
    of_type, of_stream, of_time, of_version = map(msgspec.Raw, others)
    after = [of_time] if version is None else [of_time, of_version]
    messages = map(
        _message_type(len(after)),
        *map(repeat, (of_type, of_stream)),
        encodable(names, columns),
        *map(repeat, after),
    )
    while block := list(islice(messages, RECORDS_AT_ONCE)):
        yield encoder.encode_lines(block)


@lru_cache(maxsize=2)
def _message_type(after: int) -> type[msgspec.Struct]:
    """Return the type of a RECORD message with so many fields after its record."""
    fields = ["type", "stream", "record", "time_extracted", "version"][: 3 + after]
    return msgspec.defstruct("Message", fields, gc=False)


def target_gone(error: OSError) -> TargetGoneError:
    """Return the error of a standard output that cannot be written."""
    with suppress(OSError, ValueError):  # Python flushes it at exit, and would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return TargetGoneError("The target has stopped reading")
    return TargetGoneError(f"Standard output cannot be written: {error.strerror}")


class LineWriter(GenericSingerWriter[bytes, "Message"]):
    """The tap's message writer.

    RECORD messages are buffered until there is a block of them, or another message follows.
    """

    def __init__(self) -> None:
        """Begin with nothing to write."""
        super().__init__()
        self._waiting = bytearray()
        self._writing = False
        self._then_leave: Callable[[], None] | None = None

    @override
    def serialize_message(self, message: Message) -> bytes:
        content = message.to_dict()
        if message.type == "SCHEMA":  # from which a null is left out, though targets require a key
            content.setdefault("key_properties", [])
        return encoder.encode(content) + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        self._waiting += self.format_message(message)
        if message.type != "RECORD" or len(self._waiting) >= _BLOCK:
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write encoded messages, whole lines."""
        if len(lines) >= _BLOCK:
            self.flush()  # the buffer goes first, and these lines need not be copied
            self._write(lines)
        else:
            self._waiting += lines
            if len(self._waiting) >= _BLOCK:
                self.flush()

    def flush(self) -> None:
        """Write the buffer.

        Raises:
            TargetGoneError: If the target has stopped reading, or it cannot be written.
        """
        lines, self._waiting = bytes(self._waiting), bytearray()
        if lines:
            self._write(lines)

    def stop(self, leave: Callable[[], None]) -> None:
        """Leave the process from a signal handler: at once, or after the lines being written."""
        if self._writing:
            self._then_leave = leave
        else:
            leave()

    def _write(self, lines: bytes) -> None:
        self._writing = True
        try:
            _write_all(lines)
        except OSError as error:
            raise target_gone(error) from None
        finally:
            self._writing = False
        if self._then_leave:
            self._then_leave()


def _write_all(lines: bytes) -> None:
    sys.stdout.flush()
    buffered = sys.stdout.buffer
    # Without a buffer in between, nothing is left to write when the process leaves.
    raw = getattr(buffered, "raw", buffered)
    view = memoryview(lines)
    while view:
        written = raw.write(view)
        if written is None:  # it is non-blocking, and full
            time.sleep(_WAIT)
        else:
            view = view[written:]
