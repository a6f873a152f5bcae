"""`history_files`: files of the sandbox's days bring the records of an API run, or an error."""

from __future__ import annotations

import gzip
import json
import logging
import random
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World
from sandbox.export import Export
from sandbox.world import TABLES
from tap_cobrowser.errors import HistoryFileError, TapCobrowserError
from tests.databases import latest
from tests.expected import NOW, STREAMS, TODAY, WINDOWED, days_ago, expected, ordered
from tests.keys import shown_pieces
from tests.outputs import Output, run, select

if TYPE_CHECKING:
    from datetime import date

    from tests.outputs import Command

WORLD = World(rows_per_day=10)
FIRST, LAST = days_ago(4), days_ago(1)
EMAILS = select("emails")
Logs = pytest.LogCaptureFixture


def without_lost_characters(records: list[dict[str, Any]]) -> list[str]:
    """Return records without what another encoding than UTF-8 has no place for."""
    return sorted(
        re.sub(r"[^\x00-\x7f]|\?", "", json.dumps(record, sort_keys=True, ensure_ascii=False))
        for record in records
    )


def export(
    folder: Path,
    first: date = FIRST,
    last: date = LAST,
    *,
    world: World = WORLD,
    **written: Any,
) -> Path:
    """Write a file of each command."""
    list(Export(world, Readings(**written), NOW, first, last).write(folder))
    return folder


def settings(path: Path | str, **more: Any) -> dict[str, Any]:
    """Settings without credentials; a request would go to a port where nobody listens."""
    return {
        "history_files": str(path),
        "ccc_agent": True,
        "api_url": "http://127.0.0.1:1/",
        "max_retries": 0,
        **more,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of four days. Tests that change them copy them."""
    return export(tmp_path_factory.mktemp("files"))


@pytest.fixture
def copied(files: Path, tmp_path: Path) -> Path:
    """Files that the test may change."""
    return Path(shutil.copytree(files, tmp_path / "files"))


@pytest.fixture
def emails(copied: Path) -> Path:
    """A file that the test may change."""
    return copied / "emails-2026.csv"


def wanted(stream: str, first: date = FIRST, last: date = LAST) -> list[dict[str, Any]]:
    return latest(stream, expected(WORLD, stream, first, last))


def found(output: Output, stream: str) -> list[dict[str, Any]]:
    return latest(stream, output.records(stream))


# The rows

WRITTEN: dict[str, dict[str, Any]] = {
    "as the page says, in ZIP files": {"packed": "zip"},
    "fputcsv": {"quoting": "fputcsv", "packed": "gzip"},
    "RFC 4180": {"quoting": "rfc", "separator": "comma"},
    "addslashes, with NUL": {"quoting": "slashes", "nul": True},
    "bare quotes": {"quoting": "bare"},
    "Dutch dates": {"dates": "dutch", "separator": "pipe"},
    "ISO 8601": {"dates": "iso", "separator": "tab"},
    "Unix seconds": {"dates": "unix"},
    "without UTC offset": {"dates": "naive"},
    "decimal commas": {"numbers": "comma"},
    "NULL, blanks": {"empty": "null", "numbers": "blank"},
    "UTF-16": {"encoding": "utf-16", "packed": "gzip"},
    "Windows-1252": {"encoding": "windows-1252"},
    "broken bytes": {"encoding": "broken-bytes"},
    "CRLF": {"line_end": "crlf"},
    "sep= line, trailing separators": {"sep_line": True, "trailing_separator": True},
    "all at once": {
        "quoting": "slashes",
        "dates": "dutch",
        "numbers": "comma",
        "sep_line": True,
        "trailing_separator": True,
        "line_end": "crlf",
        "encoding": "utf-16",
        "packed": "zip",
    },
}


@pytest.mark.parametrize("written", WRITTEN)
def test_files_bring_every_row_of_an_api_run_however_they_are_written(
    tmp_path: Path, written: str
) -> None:
    output = run(settings(export(tmp_path, **WRITTEN[written])))
    kept = without_lost_characters if "encoding" in WRITTEN[written] else ordered
    for stream in TABLES:
        rows = wanted(stream)
        assert rows
        assert kept(found(output, stream)) == kept(rows), stream
    assert not output.states


def test_files_and_an_api_run_emit_the_same_schemas_and_records(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    """Also through stream maps, and as files of BATCH messages."""
    folder = export(tmp_path / "files", days_ago(8), TODAY, world=sandbox.world)
    maps = {
        "emails": {"id": "id", "where_to": "to", "__else__": None, "__filter__": "bcc is None"},
        "agents": "__NULL__",
        "hosts": {"__alias__": "sites"},
    }
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    for more in ({}, {"stream_maps": maps}, {"batch_config": batches}):
        from_api = run({**config, **more})
        sandbox.requests.clear()
        from_files = run(settings(folder, **more))
        assert not sandbox.requests
        assert from_files.of_type("SCHEMA") == from_api.of_type("SCHEMA")
        assert from_files.of_type("BATCH" if "batch_config" in more else "RECORD")
        for stream in ("sites" if more.get("stream_maps") else "hosts", *WINDOWED, "agents"):
            records = ordered(from_files.records(stream))
            assert records == ordered(from_api.records(stream)), stream
            assert bool(records) != (stream == "agents" and "stream_maps" in more)


def test_nothing_is_asked_and_start_and_end_dates_do_not_apply(
    sandbox: Sandbox, config: dict[str, Any], files: Path
) -> None:
    config |= {"start_date": days_ago(2).isoformat(), "end_date": days_ago(2).isoformat()}
    output = run({**config, "history_files": str(files)})
    assert not sandbox.requests
    for stream in TABLES:
        assert ordered(found(output, stream)) == ordered(wanted(stream)), stream


def test_the_state_passes_through_as_it_came(
    sandbox: Sandbox, config: dict[str, Any], files: Path
) -> None:
    state = run(config).states[-1]
    state["bookmarks"]["emails"]["replication_key_value"] = "2026-11-20T00:00:00+01:00"
    state["bookmarks"]["hostspecshourly"] = {}
    given = json.dumps(state)
    sandbox.requests.clear()
    output = run(settings(files), state=state)
    assert [json.dumps(each) for each in output.states] == [given]
    for stream in TABLES:
        assert ordered(found(output, stream)) == ordered(wanted(stream)), stream


def test_no_table_is_replaced(files: Path) -> None:
    catalog = select(*TABLES)
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["forced-replication-method"] = "FULL_TABLE"
    config = settings(files, emit_activate_version_messages=True)
    output = run(config, catalog=catalog)
    assert {message["type"] for message in output.messages} == {"SCHEMA", "RECORD"}
    assert not any("version" in message for message in output.messages)


def test_only_selected_streams_and_columns_are_read(copied: Path, caplog: Logs) -> None:
    caplog.set_level(logging.INFO)
    (copied / "emails-2026.csv").unlink()
    # what is wrong within the file of another stream does not matter
    with (copied / "hosts.csv").open("ab") as file:
        file.write(b'"1')
    catalog = select("emails", "agents", but={"agents": ["email"]})
    output = run(settings(copied), catalog=catalog)
    rows = [{k: v for k, v in row.items() if k != "email"} for row in wanted("agents")]
    assert ordered(output.records("agents")) == ordered(rows)
    assert {message["stream"] for message in output.messages} == {"agents"}
    assert "emails: no file." in caplog.messages
    (line,) = [each for each in caplog.messages if each.startswith("hosts:")]
    assert "the stream is not selected; left out: file '" in line
    assert "hosts.csv" in line
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_files_of_ccc_streams_need_the_setting(files: Path, caplog: Logs) -> None:
    caplog.set_level(logging.INFO)
    output = run(settings(files, ccc_agent=False))
    assert {message["stream"] for message in output.messages} == {
        name for name in STREAMS if not name.startswith("ccc")
    }
    assert any(line.startswith("cccagents: the stream is not sel") for line in caplog.messages)


# Several files


def test_days_that_come_twice_are_named(tmp_path: Path, caplog: Logs) -> None:
    caplog.set_level(logging.INFO)
    stream = "accountspecshourly"
    export(tmp_path / "history" / "1", days_ago(4), days_ago(2))
    export(tmp_path / "history" / "2", days_ago(3), days_ago(1))
    (tmp_path / "history" / "read me.txt").touch()
    output = run(settings(tmp_path / "history"), catalog=select(stream))
    assert ordered(found(output, stream)) == ordered(wanted(stream))
    rows = [len(wanted(stream, days_ago(a), days_ago(b))) for a, b in ((4, 2), (3, 1))]
    said = caplog.messages
    days = [f"{days_ago(a)}..{days_ago(b)}" for a, b in ((4, 2), (3, 1))]
    assert any(line.endswith(f".csv': {rows[0]} rows of {days[0]}") for line in said), said
    again = f"{rows[1]} rows of {days[1]}, 2 of whose 3 days were in files before"
    assert any(line.endswith(again) for line in said), said
    assert f"{stream}: {sum(rows)} rows" in said
    assert any("read me.txt' is not a CSV file, and is left out" in line for line in said)


def test_files_in_linked_folders_are_read_once(files: Path, tmp_path: Path) -> None:
    (tmp_path / "history" / "inner").mkdir(parents=True)
    try:
        (tmp_path / "history" / "inner" / "link").symlink_to(files)
        (tmp_path / "history" / "inner" / "round").symlink_to(tmp_path / "history")
    except OSError:
        pytest.skip("links are for administrators")
    output = run(settings(tmp_path / "history"), catalog=EMAILS)
    assert ordered(output.records("emails")) == ordered(wanted("emails"))


@pytest.mark.parametrize(
    "setting",
    [
        "my files",
        "my files/",
        "./my files/*.csv",
        "my files/emails-2026.csv",
        "{folder}/my files",
        "~/my files/em*.csv",
        "**/emails*",
    ],
)
def test_a_path_may_be_relative_and_have_blanks(
    copied: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    copied.rename(copied.with_name("my files"))
    monkeypatch.chdir(copied.parent)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(copied.parent))
    output = run(settings(setting.format(folder=copied.parent)), catalog=EMAILS)
    assert ordered(output.records("emails")) == ordered(wanted("emails"))


def test_a_path_may_look_like_a_glob(copied: Path) -> None:
    folder = copied.rename(copied.with_name("20[12] {x} 'y' \u00e9"))
    output = run(settings(folder), catalog=EMAILS)
    assert ordered(output.records("emails")) == ordered(wanted("emails"))


@pytest.mark.parametrize("setting", ["", " ", None])
def test_an_empty_setting_is_none(
    sandbox: Sandbox, config: dict[str, Any], setting: str | None
) -> None:
    run({**config, "history_files": setting}, catalog=EMAILS)
    assert sandbox.requests


@pytest.mark.parametrize(
    "setting", ["no where", "~nobody-of-this-name/x", "x" * 5000, "a\0b", "C:\\x\\*.csv"]
)
def test_a_setting_that_names_no_file_is_an_error(setting: str) -> None:
    output: list[Output] = []
    with pytest.raises(TapCobrowserError, match="history_files"):
        run(settings(setting), output=output)
    assert not output or not output[0].messages


# What is wrong with a file


def test_the_other_streams_are_read_if_a_file_is_wrong(command: Command, copied: Path) -> None:
    with (copied / "emails-2026.csv").open("ab") as file:
        file.write(b'"1";"2"\n')
    path = copied / "slotsactivity-2026.csv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    number = list(TABLES["slotsactivity"]).index("numslots_max")
    cells = lines[7].split('";"')
    lines[7] = '";"'.join([*cells[:number], "many", *cells[number + 1 :]])
    path.write_text("".join(lines), "utf-8")
    for more in ((), ("--test",)):
        output = command(settings(copied), *more)
        assert output.code == 1
        assert "Traceback" not in output.stderr
        errors = [line for line in output.stderr.splitlines() if "ERROR" in line]
        assert len(errors) == 3
        assert "slotsactivity-2026.csv', line 8, column 'numslots_max'" in output.stderr
        assert "'many' is not an integer" in output.stderr
        assert "emails-2026.csv', line " in output.stderr
        assert "too few or too many cells" in output.stderr
        assert "2 of 15 streams failed: 'emails' (" in output.last_line
        for stream in TABLES.keys() - {"emails", "slotsactivity"}:
            rows = output.records(stream)
            assert ordered(found(output, stream)) == ordered(wanted(stream)) or more, stream
            assert len(rows) == 1 or not more


def test_what_went_out_before_an_error_is_written(copied: Path) -> None:
    shutil.copy(copied / "emails-2026.csv", copied / "z.csv")
    with (copied / "z.csv").open("ab") as file:
        file.write(b'"1')
    output: list[Output] = []
    with pytest.raises(HistoryFileError, match=r"z\.csv'"):
        run(settings(copied), catalog=EMAILS, output=output)
    assert ordered(output[0].records("emails")) == ordered(wanted("emails"))


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ('"id";"account_id"', "fits several commands equally well"),
        ('"a";"b"', "not the header of an export"),
        ('"browse_id";"id";"timestamp";"x"', "has only 3 of 9"),
        ('"id";"id";"timestamp";"to";"bcc";"subject";"from"', "has the column 'id' twice"),
        (None, "not the header of an export"),
        ("", "is empty"),
    ],
)
def test_a_wrong_header_is_an_error_before_any_record(
    copied: Path, header: str | None, problem: str
) -> None:
    rows = (copied / "emails-2026.csv").read_text("utf-8").partition("\n")[2]
    text = rows if header is None else f"{header}\n{rows}" if header else ""
    (copied / "z.csv").write_text(text, "utf-8")
    output: list[Output] = []
    with pytest.raises(HistoryFileError, match=problem) as caught:
        run(settings(copied), output=output)
    assert "z.csv" in str(caught.value)
    assert not output[0].messages


def test_a_line_of_text_that_says_nothing_is_no_table(copied: Path) -> None:
    (copied / "z.csv").write_text("Geen gegevens", "utf-8")
    with pytest.raises(HistoryFileError, match=r"z\.csv.*is empty"):
        run(settings(copied))


def test_the_key_in_a_file_is_not_quoted(command: Command, copied: Path) -> None:
    key = Sandbox.api_key
    path = copied / "emails-2026.csv"
    whole = path.read_text("utf-8")
    shutil.copy(copied / "hosts.csv", copied / f"{key.replace('/', '')}.csv")
    header = whole.partition("\n")[0]
    stamp = list(TABLES["emails"]).index("timestamp")
    cells = ['"x"'] * len(TABLES["emails"])
    cells[stamp] = f'"{key}"'
    for text in (
        f"{whole}{';'.join(cells)}\n",  # a cell
        f"{whole}{key[3:]}",  # the end of the text
        f"{key}\n{whole}",  # the header
        f"{header};{key}\n",  # an unknown column
    ):
        path.write_text(text, "utf-8")
        output = command(settings(copied, api_key=key), catalog=select("emails", "hosts"))
        assert output.code == (not text.startswith(header + ";"))
        assert "emails" in output.stderr
        assert not shown_pieces(output.stderr.replace(str(copied), ""), key)
    shutil.rmtree(copied)


# Cuts and damage


def whole_or_error(path: Path, body: bytes, rows: list[str]) -> bool:
    """Write and read a file; return whether it is an error. If it is none, all rows are there."""
    path.write_bytes(body)
    output: list[Output] = []
    said = ""
    try:
        run(settings(path), catalog=EMAILS, output=output)
    except TapCobrowserError as error:
        said = str(error)
    if said:
        assert path.name in said
    else:
        assert ordered(output[0].records("emails")) == rows
    return bool(said)


def try_cuts(folder: Path, seed: int, number: int) -> None:
    """Cut files at random bytes, but not at the end of a row: nothing shows that more followed."""
    chance = random.Random(seed)
    rows = ordered(wanted("emails"))
    for written in WRITTEN.values():
        if "encoding" in written or written.get("nul"):
            continue
        (path,) = export(folder / "export", **written).glob("emails*")
        body = path.read_bytes()
        for at in chance.sample(range(len(body) - 2), number):
            if written.get("packed") or not {*body[at - 1 : at + 1]}.intersection(b"\r\n"):
                whole_or_error(folder / path.name, body[:at], rows)
        shutil.rmtree(folder / "export")


def test_a_file_that_is_cut_is_an_error_or_has_all_rows(tmp_path: Path) -> None:
    try_cuts(tmp_path, seed=1, number=4)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_no_cut_of_a_file_loses_a_row(tmp_path: Path, seed: int) -> None:
    try_cuts(tmp_path, seed, number=100)


def try_damage(folder: Path, emails: Path, seed: int, number: int) -> None:
    """Change bytes of packed files."""
    chance = random.Random(seed)
    rows = ordered(wanted("emails"))
    content = emails.read_bytes()
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("\u00e9.csv", content)
        archive.writestr("empty/", "")
    packed: dict[str, bytes] = {
        "z.zip": (folder / "z.zip").read_bytes(),
        "z.csv.gz": gzip.compress(content, mtime=0),
    }
    errors = 0
    for name, body in packed.items():
        for _ in range(number):
            damaged = bytearray(body)
            at = chance.choice([chance.randrange(len(body)), chance.randrange(-150, 40)])
            damaged[at] ^= chance.randrange(1, 256)
            errors += whole_or_error(folder / name, bytes(damaged), rows)
    assert errors > number


def test_a_damaged_archive_is_an_error_or_has_all_rows(tmp_path: Path, emails: Path) -> None:
    try_damage(tmp_path, emails, seed=1, number=40)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_no_damage_of_an_archive_loses_a_row(tmp_path: Path, emails: Path, seed: int) -> None:
    try_damage(tmp_path, emails, seed, number=1_000)


# The other commands


def test_test_reads_each_file_and_asks_for_nothing(command: Command, files: Path) -> None:
    output = command(settings(files), "--test")
    assert output.code == 0, output.stderr
    assert not output.states
    for stream in TABLES:
        assert len(output.records(stream)) == 1, stream
    assert "The files can be read" in output.stderr


@pytest.mark.parametrize("argument", ["--discover", "--about"])
def test_the_catalog_and_about_do_not_depend_on_files(command: Command, argument: str) -> None:
    without = command({"ccc_agent": True}, argument)
    with_files = command(settings("nowhere"), argument)
    assert with_files.code == without.code == 0
    assert with_files.text == without.text
