"""History from files: which there are, which stream each is of, and what is wrong with it."""

from __future__ import annotations

import gzip
import os
import random
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings
from sandbox.writing import csv_lines
from tap_cobrowser.errors import CellError, HistoryFileError
from tap_cobrowser.models import Column, Command
from tap_cobrowser.reading import quoting as quoting_module
from tap_cobrowser.reading.files import Source, check, find, recognize
from tests.unit.tables import (
    AMSTERDAM,
    COMMAND,
    NAMES,
    READ,
    ROW,
    TEXT_NAMES,
    TEXTS,
    csv_of,
    kinds,
    replaced,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = (COMMAND, TEXTS)


def read_file(source: Source, commands: tuple[Command, ...] = COMMANDS) -> list[Any]:
    """Return the rows of a file, read as the tap does."""
    file = check(source, recognize(source, commands), AMSTERDAM)
    found = [row for table in file.tables() for row in rows(table)]
    assert len(found) == file.rows
    return found


def read_body(folder: Path, body: str | bytes, name: str = "x.csv") -> list[Any]:
    path = folder / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    ((source,), _) = find(str(path))
    return read_file(source)


# Which files there are


def test_a_file_a_folder_with_subfolders_or_a_glob_is_read_in_the_order_of_names(
    tmp_path: Path,
) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("2.csv", "1.CSV", "b/c/3.csv.gz", "b/.4.csv", ".hidden/5.csv", "notes.txt"):
        (tmp_path / name).write_text(name)
    with zipfile.ZipFile(tmp_path / "b" / "z.zip", "w") as archive:
        for name in ("n/2.csv", "n/1.csv", "read me.txt", "__MACOSX/._1.csv"):
            archive.writestr(name, name)
    sources, left_out = find(str(tmp_path))
    names = [str(each).partition(str(tmp_path))[2].rstrip("'") for each in sources]
    assert names == ["/1.CSV", "/2.csv", "/b/c/3.csv.gz", "/b/z.zip: n/1.csv", "/b/z.zip: n/2.csv"]
    assert [name.rpartition("/")[2] for name in left_out] == [
        "z.zip: read me.txt",
        "notes.txt",
    ]
    assert len(find(str(tmp_path / "*.csv"))[0]) == 1
    assert len(find(str(tmp_path / "**" / "*.csv*"))[0]) == 2
    assert len(find(str(tmp_path / "b"))[0]) == 3
    assert len(find(str(tmp_path / "2.csv"))[0]) == 1


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "x.csv").write_text(csv_of(ROW))
    list_folder = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(HistoryFileError, match=r"closed': It cannot be read: 'Permission denied'"):
        find(str(tmp_path))


@pytest.mark.parametrize("setting", ["nowhere", "nowhere/*.csv", ""])
def test_a_setting_without_a_csv_file_is_an_error(tmp_path: Path, setting: str) -> None:
    (tmp_path / "x.txt").touch()
    with pytest.raises(HistoryFileError, match="has no CSV file"):
        find(f"{tmp_path}/{setting}")


def archive_of(folder: Path, **files: str | bytes) -> Path:
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def test_an_archive_in_an_archive_is_an_error(tmp_path: Path) -> None:
    for inner in ("y_zip", "y_csv_gz"):
        path = archive_of(tmp_path, x_csv=csv_of(ROW), **{inner: b"PK"})
        with pytest.raises(HistoryFileError, match=r"x.zip'.*packed file in it.*Unpack it"):
            find(str(path))


def test_an_archive_with_a_password_is_an_error(tmp_path: Path) -> None:
    path = archive_of(tmp_path, x_csv=csv_of(ROW))
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(HistoryFileError, match=r"x.zip: x.csv'.*password"):
        recognize(find(str(path))[0][0], COMMANDS)


@pytest.mark.parametrize("keep", [1, 30, 60, -5])
@pytest.mark.parametrize("name", ["x.zip", "x.csv.gz"])
def test_an_archive_that_is_cut_or_damaged_is_an_error(
    tmp_path: Path, name: str, keep: int
) -> None:
    body = csv_of(*[(str(at), *ROW[1:]) for at in range(200)])
    whole = archive_of(tmp_path, x_csv=body).read_bytes() if name == "x.zip" else None
    whole = whole or gzip.compress(body.encode())
    with pytest.raises(HistoryFileError, match=name):
        read_body(tmp_path, whole[:keep], name)
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0xFF
    with pytest.raises(HistoryFileError, match=name):
        read_body(tmp_path, bytes(damaged), name)


# Which stream a file is of


def command(name: str, *columns: str, keys: int = 1) -> Command:
    return Command(
        name,
        tuple(Column(each, "string", key=at < keys) for at, each in enumerate(columns)),
        columns[:keys],
    )


def test_a_file_is_of_the_command_with_all_keys_and_most_columns_named(tmp_path: Path) -> None:
    small, large = command("small", "id", "a", "b"), command("large", "id", "k", "a", "b", keys=2)
    path = tmp_path / "x.csv"
    for header, expected in (("B,A,ID", small), ("id;k;a;b", large), ('"id"|"b"|"k"', large)):
        path.write_text(f"sep={header[2]}\n{header}\n")
        assert recognize(find(str(path))[0][0], [small, large]) is expected


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("Geen gegevens\n", "is empty"),
        ("1;2;3\n", "not the header of an export: '1;2;3'"),
        ("a;b\n1;2\n", "not the header"),
        ("id;a\n1;2\n", "several commands equally well: 'small', 'other'"),
        ("<html>", "not the header"),
    ],
)
def test_a_file_of_no_command_or_of_several_is_an_error_that_names_it(
    tmp_path: Path, body: str, problem: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(body)
    commands = [command("small", "id", "a", "b"), command("other", "id", "a", "c")]
    with pytest.raises(HistoryFileError, match=problem) as caught:
        recognize(find(str(path))[0][0], commands)
    assert "x.csv" in caught.value.where


# What is in a file


@pytest.mark.parametrize("pack", ["csv", "gz", "zip"])
def test_rows_are_those_of_a_response_and_bytes_are_counted(tmp_path: Path, pack: str) -> None:
    body = csv_of(*[(str(at), *ROW[1:6], f'"{at}";\n') for at in range(5_000)])
    if pack == "zip":
        path = archive_of(tmp_path, x_csv=body)
    else:
        path = tmp_path / ("x.csv.gz" if pack == "gz" else "x.csv")
        path.write_bytes(gzip.compress(body.encode()) if pack == "gz" else body.encode())
    ((source,), _) = find(str(path))
    seen: list[int] = []
    file = check(source, COMMAND, AMSTERDAM, seen.append)
    assert seen[-1] == source.size
    assert file.rows == 5_000
    seen.clear()
    found = [row for table in file.tables(seen.append) for row in rows(table)]
    assert found == [(str(at), *READ[1:6], f'"{at}";\n') for at in range(5_000)]
    assert seen == sorted(seen)
    assert seen[-1] == source.size


WRITTEN: dict[str, dict[str, Any]] = {
    "fputcsv": {"quoting": "fputcsv"},
    "RFC 4180": {"quoting": "rfc"},
    "addslashes": {"quoting": "slashes"},
    "bare": {"quoting": "bare"},
    "UTF-16": {"encoding": "utf-16"},
    "Windows-1252": {"encoding": "windows-1252"},
    "CRLF": {"line_end": "crlf"},
    "no last line end": {"last_line_ended": False},
    "sep= line": {"sep_line": True},
    "trailing separators": {"trailing_separator": True},
}


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize("written", WRITTEN)
def test_a_file_is_read_however_it_is_written(
    tmp_path: Path, written: str, separator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoting_module, "_MOST_ROWS", 300)
    texts = [(str(at), f'he said "hallo" {at}', "\né;\\x'", "C:\\x y") for at in range(1_000)]
    blocks = csv_lines(TEXT_NAMES, separator, texts, Readings(**WRITTEN[written]))
    assert read_body(tmp_path, b"".join(blocks)) == texts


def test_notices_are_those_of_a_response_and_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(csv_of((*replaced("length", "0,5"), "x"), header=(*NAMES, "new"), sep=","))
    ((source,), _) = find(str(path))
    (table,) = check(source, COMMAND, AMSTERDAM).tables()
    assert kinds(table) == ["unknown columns", "decimal comma"]
    assert table.notices[0].text.startswith("The file has columns")


def test_a_header_alone_is_a_file_without_rows(tmp_path: Path) -> None:
    assert read_body(tmp_path, csv_of()) == []


# What is wrong with a file


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        (csv_of(ROW, ROW[:5], ROW), "line 3", "too few or too many cells"),
        (csv_of(ROW) + '"1";"', "line 3", "a quote is not closed"),
        (csv_of(ROW)[:-1].replace('"', ""), "", "no line end after the last row"),
        (csv_of()[:-1], "", "no line end after the last row"),
        (csv_of(ROW, replaced("text", 'a "b"'))[:-1], "", "no line end after the last row"),
        (csv_of(ROW, header=("id", "begin", *"abcde")), "", "only 2 of 7"),
        (csv_of((*ROW, "x"), header=(*NAMES, "text")), "", "'text' twice"),
    ],
)
def test_a_file_that_is_cut_or_uneven_is_an_error_before_its_first_row(
    tmp_path: Path, body: str, where: str, problem: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(body)
    ((source,), _) = find(str(path))
    with pytest.raises(HistoryFileError, match=problem) as caught:
        check(source, COMMAND, AMSTERDAM)
    assert "x.csv" in caught.value.where
    assert caught.value.where.endswith(where)
    assert "The response" not in str(caught.value)


def test_exports_that_are_joined_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(HistoryFileError, match="repeats its header") as caught:
        read_body(tmp_path, csv_of(ROW, ROW) + csv_of(ROW))
    assert caught.value.where.endswith("x.csv', line 4")


def test_a_cell_that_does_not_fit_is_an_error_with_file_line_column_and_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoting_module, "_MOST_ROWS", 250)
    before = [(str(at), *ROW[1:6], "two\nlines") for at in range(600)]
    with pytest.raises(CellError, match="'five' is not an integer") as caught:
        read_body(tmp_path, csv_of(*before, replaced("count", "five")))
    assert caught.value.where.endswith("x.csv', line 1202, column 'count'")


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(csv_of(ROW, ROW))
    ((source,), _) = find(str(path))
    file = check(source, COMMAND, AMSTERDAM)
    path.write_text(csv_of(ROW, ROW[:5]))
    with pytest.raises(HistoryFileError, match="has changed"):
        list(file.tables())


def test_a_file_that_becomes_shorter_by_whole_rows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(csv_of(ROW, ROW))
    ((source,), _) = find(str(path))
    file = check(source, COMMAND, AMSTERDAM)
    path.write_text(csv_of(ROW))
    with pytest.raises(HistoryFileError, match="has changed"):
        list(file.tables())


def test_the_number_of_times_that_a_file_is_read_does_not_depend_on_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoting_module, "_MOST_ROWS", 250)
    texts = [(str(at), 'a "b"', "\0c", "d") for at in range(2_000)]
    path = tmp_path / "x.csv"
    path.write_bytes(b"".join(csv_lines(TEXT_NAMES, ";", texts, Readings(quoting="slashes"))))
    ((source,), _) = find(str(path))
    reads = 0
    chunks = Source.chunks

    def counted(source: Source, *arguments: Any) -> Iterator[bytes]:
        nonlocal reads
        reads += 1
        return chunks(source, *arguments)

    monkeypatch.setattr(Source, "chunks", counted)
    tables = list(check(source, TEXTS, AMSTERDAM).tables())
    assert len(tables) == 8
    assert reads < 10
    assert {notice.kind for notice in tables[0].notices} == {"quoting", "NUL"}


def test_memory_does_not_grow_with_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    body = csv_of(ROW) + '"' + csv_of(*[ROW] * 9).replace('"', "") * 20_000
    with pytest.raises(HistoryFileError):
        read_body(tmp_path, body)


# Cuts


def check_cuts(folder: Path, seed: int, tables: int) -> None:
    """A file that is cut is an error, or has all its rows up to a line end."""
    made = random.Random(seed)
    pieces = ['"', "\\x", '\\"', ";", "\n", "a", 'he said "hallo"', "é", "C:\\map", "it's"]
    for _ in range(tables):
        texts = [
            (str(at), *("".join(made.choices(pieces, k=made.randrange(4))) for _ in range(2)), "z")
            for at in range(made.randrange(1, 9))
        ]
        way = made.choice(["doubled", "rfc", "slashes", "doubled"])
        body = b"".join(csv_lines(TEXT_NAMES, ";", texts, Readings(quoting=way)))
        for at in made.sample(range(len(body)), min(20, len(body))):
            try:
                found = read_body(folder, body[:at])
            except HistoryFileError:
                continue
            whole = [tuple(cell or None for cell in row) for row in texts]
            assert found == whole[: len(found)]
            assert len(found) == len(texts) or body[at - 1 : at] in {b"\n", b'"'}


def test_a_cut_is_an_error_or_has_whole_rows(tmp_path: Path) -> None:
    check_cuts(tmp_path, seed=1, tables=15)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_no_cut_of_many_files_has_a_row_that_is_not_whole(tmp_path: Path, seed: int) -> None:
    check_cuts(tmp_path, seed, tables=200)
