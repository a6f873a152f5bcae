"""Writes Singer messages to standard output: fast, and only whole lines.

Messages are collected and written in blocks. On a pipe, a block is no larger than what the system
writes atomically: PIPE_BUF in POSIX, and on Linux the whole capacity of an empty pipe. Whatever
ends the process, even SIGKILL, the target has therefore read only whole lines. The one exception is
a single line that is larger than that.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.singerlib.encoding.base import GenericSingerWriter

from tap_cobrowser.errors import TargetGoneError
from tap_cobrowser.outputs import discard, wait_for_room

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from singer_sdk.singerlib.encoding.simple import Message

_BLOCK = 64 * 1024
_PIPE_BLOCK = getattr(select, "PIPE_BUF", 512)

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
    """Yield rows as objects that msgspec encodes as a JSON object of these columns.

    Args:
        names: Names of the columns.
        columns: Values of each column, all of one length.
    """
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

    Args:
        stream: Name of the stream.
        names: Names of the columns.
        columns: Values of each column, all of one length.
        time_extracted: When the response was received, in UTC.
        version: Version of the table, for ACTIVATE_VERSION.
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


@contextmanager
def output_errors() -> Iterator[None]:
    """Turn a system error without a file name into an error about standard output.

    Raises:
        TargetGoneError: If there is one.
    """
    problem = ""
    try:
        yield
    except BrokenPipeError:
        problem = "The target has stopped reading"
    except OSError as error:
        if error.filename is not None:
            raise
        problem = f"Standard output cannot be written: {error.strerror}"
    if problem:
        discard(sys.stdout)
        raise TargetGoneError(problem)


class LineWriter(GenericSingerWriter[bytes, "Message"]):
    """The tap's message writer.

    RECORD messages are buffered until there is a block of them, or another message follows.
    """

    def __init__(self) -> None:
        """Begin with nothing to write."""
        super().__init__()
        self._waiting = bytearray()
        self._mid_line = False
        self._then_stop: Callable[[], None] | None = None

    @override
    def serialize_message(self, message: Message) -> bytes:
        return encoder.encode(message.to_dict()) + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        self._waiting += self.format_message(message)
        if message.type != "RECORD" or len(self._waiting) >= _BLOCK:
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write encoded messages, whole lines."""
        if len(lines) >= _BLOCK:
            self.flush()  # the buffer goes first, and these lines need not be copied
            self._write_all(lines)
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
            self._write_all(lines)

    def _write_all(self, lines: bytes) -> None:
        with output_errors():
            self._write(lines)

    def stop(self, leave: Callable[[], None]) -> None:
        """Leave the process from a signal handler: at once, or after the current line."""
        if self._mid_line:
            self._then_stop = leave
        else:
            leave()

    def _write(self, lines: bytes) -> None:
        sys.stdout.flush()
        buffered = sys.stdout.buffer
        # Without a buffer in between, one write is one system call, which is what can be atomic.
        raw = getattr(buffered, "raw", buffered)
        is_pipe = _is_pipe(raw)
        view = memoryview(lines)
        written = 0
        while written < len(lines):
            most = _in_one_piece(raw.fileno()) if is_pipe else _BLOCK
            # before a line begins, and no further than that where the lines allow it
            end = lines.rfind(b"\n", written, written + most) + 1 or lines.find(b"\n", written) + 1
            self._mid_line = not is_pipe or end - written > _PIPE_BLOCK
            while written < end:
                taken = raw.write(view[written:end])
                if taken is None:  # it is non-blocking, and full
                    wait_for_room(raw.fileno())
                else:
                    written += taken
            self._mid_line = False
            if self._then_stop:
                self._then_stop()


def _in_one_piece(pipe: int) -> int:
    """Return how many bytes a pipe takes without waiting for a reader in the middle of them."""
    if sys.platform == "linux":
        unread = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
        if not any(unread):
            return min(fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ), _BLOCK)
    return _PIPE_BLOCK


def _is_pipe(raw: Any) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(raw.fileno()).st_mode)
    except (OSError, AttributeError, ValueError):
        return False
