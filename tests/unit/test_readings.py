"""The sandbox's readings: its writers are those of PHP, and wrong values are rejected."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox import Readings, World
from sandbox.readings import list_readings, parse_reading
from sandbox.world import TABLES, WITHOUT_RANGE
from sandbox.writing import csv_lines
from tests.expected import NOW, STREAMS, WINDOWED

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


@pytest.mark.parametrize(
    ("readings", "sent", "days"),
    [
        ({}, (1, 0), (1, 0)),
        ({"order": "stop_older"}, (1, 0), None),
        ({"order": "stop_older"}, (0, 1), (1, 0)),
        ({"order": "either"}, (0, 1), (1, 0)),
        ({"order": "either"}, (1, 0), (1, 0)),
        ({"end": "excluded"}, (1, 0), (1, 1)),
        ({"end": "excluded"}, (1, 1), (1, 1)),
        ({"end": "excluded", "order": "stop_older"}, (0, 1), (1, 1)),
        ({"range": "ignored"}, (9, 8), (0, 0)),
        ({"range": "first_day"}, (9, 8), (9, 9)),
        ({"range": "last_day"}, (9, 8), (8, 8)),
    ],
)
def test_days_of_a_request(
    readings: dict[str, Any], sent: tuple[int, int], days: tuple[int, int] | None
) -> None:
    assert Readings(**readings).days(*sent, window_days=2) == days


def test_ranges_against_the_rules_are_rejected() -> None:
    for order, sent in (("start_older", (0, 1)), ("start_older", (2, 0)), ("stop_older", (0, 2))):
        with pytest.raises(ValueError, match=r"start|Range"):
            Readings(order=order).days(*sent, window_days=2)


def picked(command: str, *ago: int, now: datetime = NOW, **readings: Any) -> list[dict[str, Any]]:
    found = Readings(**readings).pick(World(rows_per_day=40), command, (ago[0], ago[-1]), now)
    return [dict(zip(TABLES[command], row, strict=True)) for row in found]


def days_of(command: str, rows: list[dict[str, Any]]) -> set[date]:
    return {row[str(STREAMS[command].replication_key)].date() for row in rows}


@pytest.mark.parametrize("command", WINDOWED)
def test_silent_days_have_no_rows_and_the_others_keep_theirs(command: str) -> None:
    saturday = date(2026, 11, 21)
    everything = picked(command, 13, 0)
    for silent in ("weekends", "odd", "2026-11-18..2026-11-21,2026-11-10"):
        left = picked(command, 13, 0, silent=silent)
        assert saturday not in days_of(command, left) or silent == "odd"
        assert left == [
            row for row in everything if days_of(command, [row]) <= days_of(command, left)
        ]
        assert 0 < len(left) < len(everything)
    assert picked(command, 13, 0, silent="all") == []
    assert picked(command, 13, 0, silent="accounts:all") == everything
    assert picked(command, 13, 0, silent=f"{command}:all") == []


@pytest.mark.parametrize("command", [*WINDOWED, "cccslotsactivity"])
def test_one_row_a_day_and_midnight_rows_stay_as_the_day_goes_on(command: str) -> None:
    key = str(STREAMS[command].replication_key)
    seen: set[tuple[Any, ...]] = set()
    for hours in (0, 1, 5, 30):
        now = NOW + timedelta(hours=hours)
        one = picked(command, 5, 0, now=now, rows="one_a_day")
        days = [row[key].date() for row in one]
        assert len(days) == len({*days}) >= 5
        midnight = picked(command, 5, 0, now=now, rows="midnight")
        assert {row[key].time().isoformat() for row in midnight} == {"00:00:00"}
        keys = {
            tuple(row[name] for name in STREAMS[command].primary_keys)
            for row in midnight
            if row[key].date() > NOW.date() - timedelta(days=4) and row[key].date() <= NOW.date()
        }
        assert seen <= keys
        seen = keys
    office = picked(command, 5, 0, rows="office_hours")
    assert {row[key].hour for row in office} <= {*range(9, 17)}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize("command", WINDOWED)
def test_days_of_another_zone_part_the_same_rows(command: str, zone: str) -> None:
    readings = Readings(day_zone=zone)
    world = World(rows_per_day=40)
    by_day = [
        row for ago in range(9, -1, -1) for row in readings.pick(world, command, (ago, ago), NOW)
    ]
    at_once = list(readings.pick(world, command, (9, 0), NOW))
    assert by_day == at_once
    assert len({*at_once}) == len(at_once)
    plain = {*Readings().pick(world, command, (7, 0), NOW)}
    assert plain - {*at_once} == set()
    index = TABLES[command].index(str(STREAMS[command].replication_key))
    today = NOW.astimezone(ZoneInfo(zone)).date()
    for row in readings.pick(world, command, (4, 3), NOW):
        moment = row[index]
        assert isinstance(moment, datetime)
        day = moment.astimezone(ZoneInfo(zone)).date()
        assert today - timedelta(days=4) <= day <= today - timedelta(days=3)


@pytest.mark.parametrize("command", TABLES)
def test_colliding_keys_are_one_for_each_day_or_table(command: str) -> None:
    keys = STREAMS[command].primary_keys
    rows = picked(command, 1, 0, colliding_keys=True)
    plain = picked(command, 1, 0)
    doubled = 1 if command in WITHOUT_RANGE and command != "cccslotsactivity" else 2
    if command == "cccslotsactivity":
        doubled = len(days_of(command, plain))
    assert len(rows) == len(plain) + doubled
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    assert len({tuple(row[name] for name in keys) for row in rows}) == len(plain)


def test_a_row_limit_cuts_every_response() -> None:
    for command in TABLES:
        assert picked(command, 1, 0, row_limit=2) == picked(command, 1, 0)[:2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "no"},
        {"row_limit": 0},
        {"row_limit": True},
        {"row_limit": "5"},
        {"colliding_keys": "yes"},
        {"day_zone": "Nowhere/At_All"},
        {"stamp_zone": 5},
        {"silent": "mondays"},
        {"silent": "nothing:odd"},
    ],
)
def test_a_wrong_value_is_rejected_by_name(wrong: dict[str, Any]) -> None:
    (value,) = wrong.values()
    with pytest.raises(ValueError, match=str(value).split(":", maxsplit=1)[0]):
        Readings(**wrong)


def test_readings_from_text() -> None:
    for text, expected in (
        ("order=either", ("order", "either")),
        ("row_limit=100", ("row_limit", 100)),
        ("sep_line=true", ("sep_line", True)),
        ("silent=emails:odd,2026-11-20", ("silent", "emails:odd,2026-11-20")),
        ("day_zone=UTC", ("day_zone", "UTC")),
    ):
        assert parse_reading(text) == expected
    for text in ("order", "nothing_such=1", "row_limit=x", "sep_line=1", "day_zone=Nowhere"):
        with pytest.raises(ValueError, match=text.split("=")[0].split("_")[0]):
            parse_reading(text)
    assert "quoting=doubled|fputcsv|rfc|slashes|bare" in "\n".join(list_readings())
