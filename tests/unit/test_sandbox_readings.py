"""The sandbox's readings: which days and rows a response has, and which values are rejected."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from sandbox import Readings, World
from sandbox.page import COMMANDS
from sandbox.readings import RejectedError, list_readings, parse_reading, parse_readings
from tests.expected import NOW
from tests.sandboxes import get, ids, named, rows_of

if TYPE_CHECKING:
    from sandbox import Sandbox

RANGED = [name for name, command in COMMANDS.items() if command.ranged]
DATED = [name for name, command in COMMANDS.items() if command.day]


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
        with pytest.raises(RejectedError, match=r"start|Range"):
            Readings(order=order).days(*sent, window_days=2)


@pytest.mark.parametrize(("range_", "status"), [("rejected", 400), ("fails", 500)])
def test_a_range_of_several_days_can_be_rejected(range_: str, status: int) -> None:
    readings = Readings(range=range_)
    assert readings.days(4, 4, window_days=2) == (4, 4)
    with pytest.raises(RejectedError) as raised:
        readings.days(4, 3, window_days=2)
    assert raised.value.status == status


def picked(command: str, *ago: int, now: datetime = NOW, **readings: Any) -> list[dict[str, Any]]:
    found = Readings(**readings).pick(World(rows_per_day=40), command, (ago[0], ago[-1]), now)
    return named(command, found)


def days_of(command: str, rows: list[dict[str, Any]]) -> set[date]:
    return {row[str(COMMANDS[command].day)].date() for row in rows}


@pytest.mark.parametrize("command", RANGED)
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


@pytest.mark.parametrize("command", [*DATED])
def test_one_row_a_day_and_midnight_rows_stay_as_the_day_goes_on(command: str) -> None:
    key = str(COMMANDS[command].day)
    seen: set[tuple[Any, ...]] = set()
    for hours in (0, 1, 5, 30):
        now = NOW + timedelta(hours=hours)
        one = picked(command, 5, 0, now=now, rows="one_a_day")
        days = [row[key].date() for row in one]
        assert len(days) == len({*days}) >= 5
        midnight = picked(command, 5, 0, now=now, rows="midnight")
        assert {row[key].time().isoformat() for row in midnight} == {"00:00:00"}
        keys = {
            tuple(row[name] for name in COMMANDS[command].key)
            for row in midnight
            if row[key].date() > NOW.date() - timedelta(days=4) and row[key].date() <= NOW.date()
        }
        assert seen <= keys
        seen = keys
    office = picked(command, 5, 0, rows="office_hours")
    assert {row[key].hour for row in office} <= {*range(9, 17)}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
@pytest.mark.parametrize("command", RANGED)
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
    index = COMMANDS[command].columns.index(str(COMMANDS[command].day))
    today = NOW.astimezone(ZoneInfo(zone)).date()
    for row in readings.pick(world, command, (4, 3), NOW):
        moment = row[index]
        assert isinstance(moment, datetime)
        day = moment.astimezone(ZoneInfo(zone)).date()
        assert today - timedelta(days=4) <= day <= today - timedelta(days=3)


@pytest.mark.parametrize("command", COMMANDS)
def test_colliding_keys_are_one_for_each_day_or_table(command: str) -> None:
    keys = COMMANDS[command].key
    rows = picked(command, 1, 0, colliding_keys=True)
    plain = picked(command, 1, 0)
    doubled = len(days_of(command, plain)) if command in DATED else 1
    assert len(rows) == len(plain) + doubled
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    assert len({tuple(row[name] for name in keys) for row in rows}) == len(plain)


def test_a_row_limit_cuts_every_response() -> None:
    for command in COMMANDS:
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
        {"range": "refused"},
        {"for_command": {"nothing": {"end": "excluded"}}},
        {"for_command": {"emails": {"end": "never"}}},
        {"for_command": {"emails": {"for_command": {}}}},
    ],
)
def test_a_wrong_value_is_rejected_by_name(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    part = "nothing|never|emails" if name == "for_command" else str(value).split(":")[0]
    with pytest.raises(ValueError, match=part):
        Readings(**wrong)


def test_readings_from_text() -> None:
    for text, expected in (
        ("order=either", ("order", "either")),
        ("row_limit=100", ("row_limit", 100)),
        ("sep_line=true", ("sep_line", True)),
        ("silent=emails:odd,2026-11-20", ("silent", "emails:odd,2026-11-20")),
        ("day_zone=UTC", ("day_zone", "UTC")),
        ("emails:row_limit=50", ("emails:row_limit", 50)),
    ):
        assert parse_reading(text) == expected
    for text in (
        "order",
        "nothing_such=1",
        "row_limit=x",
        "sep_line=1",
        "day_zone=Nowhere",
        "for_command=1",
    ):
        with pytest.raises(ValueError, match=text.split("=")[0].split("_")[0]):
            parse_reading(text)
    assert "quoting=doubled|fputcsv|rfc|slashes|bare" in "\n".join(list_readings())


def test_readings_for_one_command_are_combined_with_those_for_all() -> None:
    found = parse_readings(["end=excluded", "emails:row_limit=50", "emails:range=first_day"])
    assert (found.end, found.row_limit, found.range) == ("excluded", None, "used")
    emails = found.of("emails")
    assert (emails.end, emails.row_limit, emails.range) == ("excluded", 50, "first_day")
    assert found.of("hosts") is found


# Over HTTP


@pytest.mark.parametrize(
    ("readings", "sent", "days"),
    [
        ({}, (4, 3), (4, 3)),
        ({"order": "stop_older", "end": "excluded"}, (3, 4), (4,)),
        ({"range": "last_day", "stale": "yesterday"}, (4, 3), (4,)),
        ({"silent": "2026-11-18"}, (4, 3), (3,)),
        ({"range": "first_day", "for_command": {"emails": {"range": "ignored"}}}, (4, 3), (0,)),
    ],
)
def test_a_response_has_the_days_of_the_reading(
    sandbox: Sandbox, readings: dict[str, Any], sent: tuple[int, int], days: tuple[int, ...]
) -> None:
    sandbox.readings = Readings(**readings)
    found = ids(get(sandbox, "emails", start=sent[0], stop=sent[1]))
    wanted = [NOW.date() - timedelta(days=ago) for ago in days]
    rows = [row for day in wanted for row in rows_of(sandbox.world, "emails", day, day)]
    assert found == [row["id"] for row in rows]
    assert found


@pytest.mark.parametrize("kind", ["cached", "cached_old_date", "yesterday_old_date", "yesterday"])
def test_stale_responses_come_with_a_present_or_an_old_date(sandbox: Sandbox, kind: str) -> None:
    sandbox.readings = Readings(stale=kind)
    first = get(sandbox, "emails", start=1, stop=0)
    sandbox.set_clock(NOW + timedelta(days=1), frozen=True)
    second = get(sandbox, "emails", start=1, stop=0)
    other = get(sandbox, "emails", start=0, stop=0)
    assert (first.content == second.content) is kind.startswith("cached")
    stamp = NOW if kind.endswith("old_date") else NOW + timedelta(days=1)
    assert parsedate_to_datetime(second.headers["Date"]) == stamp
    old = stamp if kind == "yesterday_old_date" else NOW + timedelta(days=1)
    assert parsedate_to_datetime(other.headers["Date"]) == old


# Combinations


def _pairs() -> list[dict[str, Any]]:
    """Return each pair of values that are not the default."""
    choices: list[tuple[str, object]] = [
        (each.name, value)
        for each in fields(Readings)
        for value in each.metadata.get("choices", ())[1:]
    ]
    choices += [("row_limit", 3), ("day_zone", "UTC"), ("stamp_zone", "UTC"), ("silent", "odd")]
    return [
        {name: value, other: second}
        for (name, value), (other, second) in combinations(choices, 2)
        if name != other
    ]


def _responds(sandbox: Sandbox, readings: dict[str, Any]) -> None:
    sandbox.readings = Readings(**readings)
    assert get(sandbox, "emails", start=1, stop=1).status_code in {200, 204}, readings


def test_readings_can_be_combined(sandbox: Sandbox) -> None:
    for readings in Random(1).sample(_pairs(), 60):
        _responds(sandbox, readings)


@pytest.mark.long
def test_all_pairs_of_readings_can_be_combined(sandbox: Sandbox) -> None:
    for readings in _pairs():
        _responds(sandbox, readings)
