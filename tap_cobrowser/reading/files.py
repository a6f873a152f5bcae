"""History from files: which files there are, which command each is of, and their tables.

Files may be larger than memory. Each is read in pieces, by the reader of responses: first to find
what is wrong with it (`check`), before any of its rows is used, then for its rows (`tables`). All
errors are `HistoryFileError`, or `CellError` for a cell; they name the file.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import glob
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

from tap_cobrowser.errors import CellError, HistoryFileError, TapCobrowserError
from tap_cobrowser.reading.quoting import Misfit, batches
from tap_cobrowser.reading.table import TableReader
from tap_cobrowser.reading.text import CHUNK, count_named, head_of, open_text, says_nothing
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_cobrowser.models import Command, Form, Notice, Table
    from tap_cobrowser.reading.quoting import Layout, Rows

    OnBytes = Callable[[int], object]

_ENDINGS = (".csv", ".csv.gz")
_PACKED = (".zip", ".gz", ".7z", ".rar")
_UNPACK = "Unpack it, and run again."
_CHANGED = "It has changed while it was read"
_GZIP = b"\x1f\x8b"
# What the system, gzip and zipfile raise, for damaged names and numbers in an archive, too.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, RuntimeError, OverflowError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error),
)


def _ignore(_: int) -> None:
    """Do nothing with a number of bytes."""


# Which files there are


@dataclass(frozen=True, slots=True)
class Source:
    """A CSV file, or the `member` of a ZIP file with that name.

    `size` is the number of its bytes: on disk, or decompressed in a ZIP file.
    """

    path: Path
    member: str
    size: int

    def __str__(self) -> str:
        """Return the name, for messages."""
        return f"file {quote(f'{self.path}: {self.member}' if self.member else self.path)}"

    def chunks(self, on_bytes: OnBytes = _ignore) -> Iterator[bytes]:
        """Yield the decompressed bytes, and call `on_bytes` with how many of `size` are read."""
        with _opened(self) as (stream, position):
            while chunk := stream.read(CHUNK):
                on_bytes(position())
                yield chunk


def find(setting: str) -> tuple[list[Source], list[str]]:
    """Return the CSV files that a setting names, and the names of its other files.

    It names a file, a folder with its subfolders, or a glob.

    Raises:
        HistoryFileError: If there is none, or if one cannot be opened.
    """
    sources: list[Source] = []
    left_out: list[str] = []
    for path in _paths(setting):
        name = path.name.lower()
        with _readable(f"file {quote(path)}"):
            if name.endswith(".zip"):
                members, others = _members(path)
                sources += members
                left_out += others
            elif name.endswith(_ENDINGS):
                sources.append(Source(path, "", path.stat().st_size))
            else:
                left_out.append(str(path))
    if not sources:
        msg = f"{quote(setting)} has no CSV file (.csv, .csv.gz, or .zip with .csv in it)"
        raise HistoryFileError(msg, advice="Correct `history_files`.")
    return sources, left_out


def _fail(what: str, where: object, advice: str | None = None) -> NoReturn:
    raise HistoryFileError(what, where=str(where), advice=advice)


def _paths(setting: str) -> list[Path]:
    """Return the files that a setting names, without hidden ones."""
    found: dict[Path, Path] = {}
    with _readable(f"`history_files`, {quote(setting)}"):
        named = Path(setting).expanduser()
        is_there = named.exists()
        for match in [named] if is_there else map(Path, glob(str(named), recursive=True)):  # noqa: PTH207
            for path in _below(match) if match.is_dir() else [match]:
                if path.is_file():
                    found.setdefault(path.resolve(), path)
    return sorted(found.values(), key=str)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, also in linked ones, without hidden ones."""

    def fail(error: OSError) -> None:  # its files would be missing
        with _readable(f"folder {quote(error.filename)}"):
            raise error

    seen = set[str]()
    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [name for name in folders if real not in seen and not name.startswith(".")]
        seen.add(real)
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _members(path: Path) -> tuple[list[Source], list[str]]:
    """Return the CSV files in a ZIP file, and the names of other files in it."""
    sources: list[Source] = []
    others: list[str] = []
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda each: each.filename):
            name = member.filename
            source = Source(path, name, member.file_size)
            if member.is_dir() or Path(name).name.startswith(".") or name.startswith("__MACOSX"):
                continue
            if name.lower().endswith(_PACKED):
                _fail(f"It has a packed file in it, {quote(name)}", f"file {quote(path)}", _UNPACK)
            if not name.lower().endswith(".csv"):
                others.append(f"{path}: {name}")
            elif sources and sources[-1].member == name:
                _fail("It is twice in the ZIP file", source, _UNPACK)
            else:
                sources.append(source)
    return sources, others


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        problem = HistoryFileError(f"It cannot be read: {quote(reason)}", where=where)
    else:
        return
    raise problem


@contextmanager
def _opened(source: Source) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """Open a file; also return a function that returns how many of its bytes are read."""
    with _readable(str(source)):
        if source.member:
            with zipfile.ZipFile(source.path) as archive, archive.open(source.member) as stream:
                yield stream, stream.tell
            return
        with source.path.open("rb") as raw:
            is_gzip = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            if is_gzip:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked, raw.tell  # type: ignore[misc] # it is read like a file
            else:
                yield raw, raw.tell


# Which command a file is of


def recognize(source: Source, commands: Iterable[Command]) -> Command:
    """Return the command of a file: of those with all key columns named, the one with most columns.

    Raises:
        HistoryFileError: If there is none, or more than one, or the header is no usable one.
    """
    text = open_text(lambda: islice(source.chunks(), 1))
    start = next(text.pieces(), "")
    if says_nothing(start):
        _fail("It is empty", source)
    counts: dict[int, list[Command]] = {}
    for command in commands:
        documented = {column.name.lower() for column in command.columns}
        head = head_of(start, documented, ";")
        header = {name.lower() for name in head.names}
        if all(column.name.lower() in header for column in command.columns if column.key):
            counts.setdefault(count_named(header, documented), []).append(command)
    if not counts:
        line = start.strip("\ufeff \t\r\n").splitlines()[0]
        _fail(f"Its first line is not the header of an export: {quote(line)}", source)
    best = counts[max(counts)]
    if len(best) > 1:
        names = ", ".join(f"'{command.name}'" for command in best)
        _fail(f"Its header fits several commands equally well: {names}", source)
    with _named(source):
        TableReader(best[0], ";", ZoneInfo("UTC")).layout(text)
    return best[0]


# What is in a file


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """A file that is read once, and found to be complete: the number of its rows, and its form."""

    source: Source
    rows: int
    form: Form
    _reader: TableReader
    _layout: Layout

    def tables(self, on_bytes: OnBytes = _ignore) -> Iterator[Table]:
        """Yield the rows in pieces; see `Source.chunks`.

        Raises:
            CellError: If a cell does not fit its column.
            HistoryFileError: If the file has changed.
        """
        layout = _with_chunks(self._layout, lambda: self.source.chunks(on_bytes))
        way = self.form.quoting
        first = 0
        with _named(self.source):
            for rows in batches(layout, way):
                count = len(rows)
                table = self._reader.table(self._layout, way, rows, first)
                yield replace(table, notices=_notices_of_file(table))
                first += count
            if first != self.rows:
                _fail(_CHANGED, self.source)


def check(
    source: Source, command: Command, zone: ZoneInfo, on_bytes: OnBytes = _ignore
) -> HistoryFile:
    """Read a file once, to find out how it is written, and whether it is complete.

    `on_bytes` is called with the number of bytes, of `source.size`, whose rows are read so far. It
    starts again if the file is not written as it seemed.

    Raises:
        HistoryFileError: If it is not complete, or not CSV.
    """
    reader = TableReader(command, ";", zone)
    with _named(source):
        text = open_text(source.chunks)
        layout = reader.layout(text)
        if not layout:
            _fail("It is empty", source)
        counted = _with_chunks(layout, lambda: source.chunks(on_bytes))
        way, (rows, has_quotes) = reader.fit(counted, _survey)
    is_quoted = text.end.endswith('"') and text.end != '\\"' and way != "bare"
    if not text.is_ended and (has_quotes or not is_quoted):
        _fail(
            "There is no line end after the last row, so the file may be cut off",
            source,
            "If it is complete, add a line end; if not, replace it. Then run again.",
        )
    return HistoryFile(source, rows, layout.form(way), reader, layout)


def _with_chunks(layout: Layout, chunks: Callable[[], Iterator[bytes]]) -> Layout:
    """Return a layout whose text is read from other chunks."""
    return replace(layout, text=replace(layout.text, chunks=chunks))


def _survey(found: Iterator[Rows]) -> tuple[int, bool]:
    """Return the number of rows, and whether the last column may have quotes in its values.

    If it has none, a quote at the end of the file is no half of a doubled one.
    """
    count, has_quotes = 0, False
    for batch in found:
        count += len(batch)
        has_quotes = has_quotes or any('"' in row[-1] for row in batch)
    return count, has_quotes or not count


@contextmanager
def _named(source: Source) -> Iterator[None]:
    """Name the file in errors."""
    try:
        yield
    except Misfit:  # which the first reading would have found
        problem = HistoryFileError(_CHANGED, where=str(source))
    except CellError as error:
        error.where = f"{source}, {error.where}"
        raise
    except HistoryFileError:
        raise
    except TapCobrowserError as error:
        where = ", ".join(filter(None, [str(source), error.where]))
        problem = HistoryFileError(_of_file(error.what), where=where)
    else:
        return
    raise problem


def _of_file(text: str) -> str:
    return re.sub(r"^The response", "The file", text)


def _notices_of_file(table: Table) -> tuple[Notice, ...]:
    return tuple(
        replace(notice, text=_of_file(notice.text))
        for notice in table.notices
        if notice.kind != "separator"  # none was requested
    )
