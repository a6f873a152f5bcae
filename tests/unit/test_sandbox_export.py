"""Files as CoBrowser.net might send them: one per command and year, with the rows of the API."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

import pytest

from sandbox import Readings, World
from sandbox.cli import main
from sandbox.export import Export
from sandbox.page import CCC_ONLY, COMMANDS
from sandbox.writing import csv_of
from tests.expected import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.world import Row

FIRST, LAST = date(2025, 12, 30), date(2026, 1, 2)
WORLD = World(rows_per_day=5, most_days=None)
DATED = {name for name, command in COMMANDS.items() if command.day}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_there_is_a_file_per_command_and_year_and_one_per_table(tmp_path: Path) -> None:
    list(Export(WORLD, Readings(), NOW, FIRST, LAST).write(tmp_path / "new" / "folder"))
    dated = {f"{name}-{year}.csv" for name in DATED for year in (2025, 2026)}
    tables = {f"{name}.csv" for name in COMMANDS.keys() - DATED}
    assert files(tmp_path / "new" / "folder") == dated | tables


def test_the_files_of_a_command_have_all_its_rows_in_order(tmp_path: Path) -> None:
    written = dict(Export(WORLD, Readings(), NOW, FIRST, LAST).write(tmp_path))
    for name in DATED:
        found: list[list[str]] = []
        for year in (2025, 2026):
            path = tmp_path / f"{name}-{year}.csv"
            text = path.read_bytes().decode()
            header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=";")
            assert tuple(header) == COMMANDS[name].columns
            assert written[path] == len(rows)
            found += rows
        everything = b"".join(csv_of(name, ";", WORLD.rows(name, FIRST, LAST, NOW))).decode()
        assert found == [*csv.reader(io.StringIO(everything, newline=""), delimiter=";")][1:]


@pytest.mark.parametrize(
    ("readings", "begins"),
    [
        ({"separator": "pipe"}, b'"browse_id"|"id"'),
        ({"quoting": "fputcsv"}, b"browse_id;id;"),
        ({"encoding": "utf-16"}, "\ufeff".encode("utf-16")[:2]),
        ({"line_end": "crlf", "sep_line": True}, b"sep=;\r\n"),
        ({"for_command": {"emails": {"header": "dutch"}}}, b'"browse nummer";'),
    ],
)
def test_files_are_written_as_the_reading_says(
    tmp_path: Path, readings: dict[str, object], begins: bytes
) -> None:
    chosen = Readings(**readings)  # type: ignore[arg-type]
    list(Export(WORLD, chosen, NOW, FIRST, LAST).write(tmp_path))
    assert (tmp_path / "emails-2026.csv").read_bytes().startswith(begins)


def test_files_can_be_packed(tmp_path: Path) -> None:
    readings = Readings(packed="gzip", for_command={"emails": {"packed": "zip"}})
    list(Export(WORLD, readings, NOW, FIRST, LAST).write(tmp_path))
    assert gzip.decompress((tmp_path / "hosts.csv.gz").read_bytes()).startswith(b'"id";')
    with zipfile.ZipFile(tmp_path / "emails-2026.zip") as archive:
        assert archive.read("export.csv").startswith(b'"browse_id";')


def test_a_row_limit_does_not_apply_and_silent_days_do(tmp_path: Path) -> None:
    readings = Readings(row_limit=1, silent="2026-01-01")
    written = dict(Export(WORLD, readings, NOW, date(2026, 1, 1), LAST).write(tmp_path))
    rows = WORLD.rows("hostspecshourly", LAST, LAST, NOW)
    assert written[tmp_path / "hostspecshourly-2026.csv"] == len([*rows]) > 1


def test_a_file_is_written_row_by_row(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Many(World):
        def rows(self, *_: object) -> Iterator[Row]:
            for number in range(20_000):
                yield (number, *["some text"] * 20)
            sizes.append((tmp_path / "conversations-2026.csv").stat().st_size)

    export = Export(Many(), Readings(), NOW, date(2026, 1, 1), date(2026, 1, 3))
    path, rows = next(export.write(tmp_path))
    assert rows == 60_000
    for day, size in enumerate(sizes, start=1):
        assert size > (day - 0.1) * path.stat().st_size / 3


def test_the_command_line_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = ["--from", f"{FIRST}", "--to", f"{LAST}", "--clock", NOW.isoformat()]
    options = ["--export", str(tmp_path), *days, "--plain-agent", "--rows-per-day", "5"]
    assert main([*options, "--reading", "separator=comma"]) == 0
    assert not any(name.startswith(tuple(CCC_ONLY)) for name in files(tmp_path))
    assert f"3 rows in {tmp_path / 'accounts.csv'}" in capsys.readouterr().out
    assert (tmp_path / "accounts.csv").read_text(encoding="utf-8").startswith('"id","name"')


def test_days_in_the_wrong_order_are_rejected() -> None:
    with pytest.raises(ValueError, match=f"{FIRST}, is before the first, {LAST}"):
        Export(WORLD, Readings(), datetime.now(timezone.utc), LAST, FIRST)
