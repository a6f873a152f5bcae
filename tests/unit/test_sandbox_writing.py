"""How the sandbox writes a response: as PHP does, in each way of the readings."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings
from sandbox.page import COMMANDS
from sandbox.writing import csv_lines, csv_of
from tests.expected import AMSTERDAM
from tests.sandboxes import get, ids

if TYPE_CHECKING:
    from sandbox import Sandbox

# Tables of difficult texts, as PHP 8.2 writes them in each of five ways
WRITTEN_BY_PHP = [
    json.loads(line)
    for line in (Path(__file__).parent / "php" / "answers.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
ACCOUNTS = ("id", "name", "postfix", "reseller_id")


def written(rows: list[tuple[Any, ...]], **readings: Any) -> str:
    header = [f"c{number}" for number in range(len(rows[0]) if rows else 2)]
    return b"".join(csv_lines(header, ";", rows, Readings(**readings))).decode("utf-8")


@pytest.mark.parametrize("mode", ["doubled", "fputcsv", "rfc", "slashes", "bare"])
def test_each_way_of_quoting_is_that_of_php_byte_for_byte(mode: str) -> None:
    tables = [each for each in WRITTEN_BY_PHP if each["mode"] == mode]
    assert len(tables) == 60
    for each in tables:
        body = csv_lines(ACCOUNTS, each["separator"], each["rows"], Readings(quoting=mode))
        assert b"".join(body).decode() == each["body"]


def test_addslashes_writes_nul_as_a_backslash_and_zero() -> None:
    assert written([("a\0b",)], quoting="slashes") == '"c0"\n"a\\0b"\n'


def test_date_times() -> None:
    moment = datetime(2012, 3, 14, 16, 16, 11, tzinfo=timezone(timedelta(hours=1)))
    for readings, text in (
        ({}, "Wed, 14 Mar 2012 16:16:11 +0100"),
        ({"dates": "dutch"}, "wo, 14 mrt 2012 16:16:11 +0100"),
        ({"dates": "iso"}, "2012-03-14T16:16:11+01:00"),
        ({"dates": "unix"}, "1331738171"),
        ({"stamp_zone": "UTC"}, "Wed, 14 Mar 2012 15:16:11 +0000"),
        ({"stamp_zone": "America/New_York", "dates": "dutch"}, "wo, 14 mrt 2012 11:16:11 -0400"),
    ):
        assert written([(moment,)], **readings) == f'"c0"\n"{text}"\n'


def test_numbers() -> None:
    row = (5, 39.4779, "1.5", None)
    for numbers, text in (
        ("plain", '"5";"39.4779";"1.5";""'),
        ("comma", '"5";"39,4779";"1.5";""'),
        ("blank", '" 5 ";" 39.4779 ";"1.5";""'),
    ):
        assert written([row], numbers=numbers).splitlines()[1] == text


def test_lines() -> None:
    rows = [("a", "b"), ("c", "d")]
    for readings, text in (
        ({"line_end": "crlf"}, '"c0";"c1"\r\n"a";"b"\r\n"c";"d"\r\n'),
        ({"last_line_ended": False}, '"c0";"c1"\n"a";"b"\n"c";"d"'),
        ({"sep_line": True}, 'sep=;\n"c0";"c1"\n"a";"b"\n"c";"d"\n'),
        ({"trailing_separator": True}, '"c0";"c1";\n"a";"b";\n"c";"d";\n'),
    ):
        assert written(rows, **readings) == text


def test_nothing() -> None:
    for nothing, text in (
        ("header", '"c0";"c1"\n'),
        ("no_bytes", ""),
        ("text", "No results found"),
        ("dutch_text", "Geen gegevens"),
        ("204", ""),
    ):
        assert written([], nothing=nothing) == text
    # as with `echo $header . "\n"; echo implode("\n", $rows);`
    assert written([], last_line_ended=False) == '"c0";"c1"\n'


def test_utf_16_has_one_byte_order_mark_over_all_blocks() -> None:
    rows = [("é" * 50_000,)] * 3
    body = b"".join(csv_lines(["c0"], ";", rows, Readings(encoding="utf-16")))
    text = body.decode("utf-16")
    assert text == '"c0"\n' + f'"{"é" * 50_000}"\n' * 3


def test_broken_bytes_are_single_and_always_in_the_same_texts() -> None:
    texts = [f"Müller {number} 💶 {number}" for number in range(100)]

    def bodies(encoding: str) -> bytes:
        return b"".join(csv_lines(["c0"], ";", [(t,) for t in texts], Readings(encoding=encoding)))

    whole, broken = (bodies(encoding).split(b"\n") for encoding in ("utf-8", "broken-bytes"))
    changed = [(old, new) for old, new in zip(whole, broken, strict=True) if old != new]
    assert 10 < len(changed) < 50
    for old, new in changed:
        assert new.decode("utf-8", "replace") == old.decode().replace("💶", "\ufffd")
    assert bodies("broken-bytes").split(b"\n") == broken


def test_an_empty_number_or_date_time_has_its_own_text() -> None:
    for empty, text in (("blank", '""'), ("null", '"NULL"'), ("backslash_n", '"\\N"')):
        assert written([(None, "")], empty=empty) == f'"c0";"c1"\n{text};""\n'


def test_date_times_without_an_offset_are_the_same_in_the_hour_that_is_repeated() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)
    for dates, text in (
        ("naive", "2026-10-25 02:30:00"),
        ("naive_rfc2822", "Sun, 25 Oct 2026 02:30:00"),
    ):
        for moment in (first, first + timedelta(hours=1)):
            row = (moment.astimezone(AMSTERDAM),)
            assert written([row], dates=dates) == f'"c0"\n"{text}"\n'


def test_nul_characters_are_always_in_the_same_texts_and_alter_nothing_else() -> None:
    rows = [(f"text {number}", 5, "") for number in range(100)]
    plain, with_nul = written(rows), written(rows, nul=True)
    assert 10 < with_nul.count("\0") < 50
    assert with_nul.replace("\0", "") == plain
    assert written(rows, nul=True) == with_nul


@pytest.mark.parametrize(
    ("name", "separator"),
    [("semicolon", ";"), ("comma", ","), ("colon", ":"), ("pipe", "|"), ("tab", "\t")],
)
def test_the_separator_can_be_another_than_the_one_asked_for(name: str, separator: str) -> None:
    text = written([("a", "b")], separator=name, sep_line=True, quoting="rfc")
    assert text == f"sep={separator}\nc0{separator}c1\na{separator}b\n"


@pytest.mark.parametrize("language", ["dutch", "german"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_header_in_another_language_names_no_column_of_the_page(
    command: str, language: str
) -> None:
    body = b"".join(csv_of(command, ";", [], Readings(header=language))).decode()
    names = [name.strip('"') for name in body.strip().split(";")]
    assert len({*names}) == len(COMMANDS[command].columns)
    same = {re.sub("[ _]", "", name).lower() for name in COMMANDS[command].columns}
    assert not same & {re.sub(" ", "", name).lower() for name in names}


def test_there_can_be_no_header() -> None:
    assert written([("a", "b")], header="none") == '"a";"b"\n'
    assert written([], header="none") == ""


# Over HTTP


@pytest.mark.parametrize(
    ("readings", "begins", "ends"),
    [
        ({"quoting": "fputcsv"}, b"browse_id;id;", b"\n"),
        ({"encoding": "utf-16"}, b"\xff\xfe", b"\n\x00"),
        ({"line_end": "crlf", "last_line_ended": False}, b'"browse_id"', b'"'),
        ({"sep_line": True, "trailing_separator": True}, b"sep=;\n", b'";\n'),
    ],
)
def test_a_response_is_written_as_the_reading_says(
    sandbox: Sandbox, readings: dict[str, Any], begins: bytes, ends: bytes
) -> None:
    if readings.get("encoding") == "utf-16" and sys.byteorder == "big":
        begins, ends = b"\xfe\xff", b"\x00\n"
    plain = get(sandbox, "emails", start=4, stop=3).content
    sandbox.readings = Readings(**readings)
    body = get(sandbox, "emails", start=4, stop=3).content
    assert body.startswith(begins)
    assert body.endswith(ends)
    assert body != plain


def test_a_reading_can_be_for_one_command_only(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(
        quoting="fputcsv", for_command={"agents": {"encoding": "windows-1252"}}
    )
    hosts, agents = get(sandbox, "hosts"), get(sandbox, "agents")
    assert hosts.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert agents.headers["Content-Type"] == "text/csv"
    assert agents.content.startswith(b"id;")
    assert "Zoë" in agents.content.decode("cp1252")


@pytest.mark.parametrize(
    ("nothing", "status", "body"),
    [
        ("header", 200, None),
        ("no_bytes", 200, b""),
        ("text", 200, b"No results found"),
        ("dutch_text", 200, b"Geen gegevens"),
        ("204", 204, b""),
    ],
)
def test_a_response_without_rows_is_what_the_reading_says(
    sandbox: Sandbox, nothing: str, status: int, body: bytes | None
) -> None:
    sandbox.readings = Readings(nothing=nothing, silent="emails:2026-11-18")
    silent, busy = (get(sandbox, "emails", start=day, stop=day) for day in (4, 3))
    assert silent.status_code == status
    assert "Date" in silent.headers
    assert silent.content.count(b"\n") == 1 if body is None else silent.content == body
    assert ids(busy)
