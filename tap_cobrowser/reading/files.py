"""History from files: which files there are, which command each is of, and their tables.

Files may be larger than memory. Each is read in pieces, by the reader of responses: first to find
what is wrong with it, before any of its rows is used, then for its rows.

    found = find(setting)
    commands_of = {source: recognize(source, commands) for source in found.sources}
    for source, command in commands_of.items():
        file = check(source, command, zone)
        for table in file.tables(): ...

All errors are `HistoryFileError`, or `CellError` for a cell; they name the file.
"""

from __future__ import annotations

import gzip
import lzma
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import glob
from hashlib import sha256
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

_ENDINGS = (".csv", ".csv.gz", ".zip")
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
    """A CSV file, or one in a ZIP file.

    Attributes:
        path: The file.
        member: Its name in the ZIP file; "" if it is in none.
        size: The number of its bytes: on disk, or decompressed in a ZIP file.
    """

    path: Path
    member: str
    size: int

    def __str__(self) -> str:
        """Return the name, for messages."""
        return f"file {quote(f'{self.path}: {self.member}' if self.member else self.path)}"

    def chunks(self, on_bytes: OnBytes = _ignore) -> Iterator[bytes]:
        """Yield the decompressed bytes.

        Args:
            on_bytes: Called with the number of bytes, of `size`, that are read so far.
        """
        with _opened(self) as (stream, position):
            while chunk := stream.read(CHUNK):
                on_bytes(position())
                yield chunk


@dataclass(frozen=True, slots=True)
class Found:
    """What a setting names.

    Attributes:
        sources: The CSV files, in the order of their names.
        left_out: The names of files that are no CSV files.
        duplicates: For each file with the content of another one, that file. It is no source.
    """

    sources: tuple[Source, ...]
    left_out: tuple[str, ...]
    duplicates: dict[Source, Source]


def find(setting: str) -> Found:
    """Return the CSV files that a setting names: a file, a folder with its subfolders, or a glob.

    Raises:
        HistoryFileError: If there is none, or if one cannot be opened.
    """
    sources: list[Source] = []
    left_out: list[str] = []
    for path in _paths(setting):
        if path.name.lower().endswith(".zip"):
            members, others = _members(path)
            sources += members
            left_out += others
        elif path.name.lower().endswith(_ENDINGS):
            with _readable(f"file {quote(path)}"):
                sources.append(Source(path, "", path.stat().st_size))
        else:
            left_out.append(str(path))
    if not sources:
        msg = f"{quote(setting)} has no CSV file (.csv, .csv.gz, or .zip with .csv in it)"
        raise HistoryFileError(msg, advice="Correct `history_files`.")
    duplicates = _duplicates(sources)
    kept = (source for source in sources if source not in duplicates)
    return Found(tuple(kept), tuple(left_out), duplicates)


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
    """Yield what is in a folder and its subfolders, also in linked ones, without hidden ones.

    Raises:
        HistoryFileError: If one of them cannot be read: its files would be missing.
    """
    waiting, seen = [folder], set[Path]()
    while waiting:
        current = waiting.pop()
        if (real := current.resolve()) in seen:
            continue
        seen.add(real)
        with _readable(f"folder {quote(current)}"):
            inner = [path for path in current.iterdir() if not path.name.startswith(".")]
        waiting += (path for path in inner if path.is_dir())
        yield from inner


def _members(path: Path) -> tuple[list[Source], list[str]]:
    """Return the CSV files in a ZIP file, and the names of other files in it."""
    sources: dict[str, Source] = {}
    others = []
    where = f"file {quote(path)}"
    with _readable(where), zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda each: each.filename):
            name = member.filename
            source = Source(path, name, member.file_size)
            if member.is_dir() or Path(name).name.startswith(".") or name.startswith("__MACOSX"):
                continue
            if name.lower().endswith(_PACKED):
                _fail(f"It has a packed file in it, {quote(name)}", where, _UNPACK)
            if not name.lower().endswith(".csv"):
                others.append(f"{path}: {name}")
            elif member.flag_bits & 1:
                _fail("It has a password", source, _UNPACK)
            elif name in sources:
                _fail("It is twice in the ZIP file", source, _UNPACK)
            else:
                sources[name] = source
    return list(sources.values()), others


def _duplicates(sources: Iterable[Source]) -> dict[Source, Source]:
    """Return the files with the content of one before. Only files of equal size are compared."""
    by_size: dict[int, list[Source]] = {}
    for source in sources:
        by_size.setdefault(source.size, []).append(source)
    duplicates = {}
    for alike in by_size.values():
        first: dict[bytes, Source] = {}
        for source in alike if len(alike) > 1 else ():
            digest = sha256()
            for chunk in source.chunks():
                digest.update(chunk)
            if first.setdefault(digest.digest(), source) is not source:
                duplicates[source] = first[digest.digest()]
    return duplicates


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
    """Return the command of a file, by its header.

    Of the commands whose key columns are all named, it is the one with most columns named.

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
    """A file that is read once, and found to be complete.

    Attributes:
        source: Where it is.
        rows: The number of its rows.
        form: How it is written.
    """

    source: Source
    rows: int
    form: Form
    _reader: TableReader
    _layout: Layout

    def tables(self, on_bytes: OnBytes = _ignore) -> Iterator[Table]:
        """Yield the rows in pieces of some 10,000 rows.

        Args:
            on_bytes: Called with the number of bytes, of `source.size`, that are read so far.

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

    Args:
        source: The file.
        command: Its command.
        zone: The zone of date-times without an offset.
        on_bytes: Called with the number of bytes, of `source.size`, whose rows are read so far. It
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
    except (Misfit, UnicodeDecodeError):  # which the first reading would have found
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
