"""The made-up data: always the same, coherent, lifelike, and hard to read."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timezone
from itertools import islice
from statistics import fmean, median
from typing import Any

import pytest

from sandbox import World
from sandbox.page import COMMANDS, Command
from tests.expected import AMSTERDAM, NOW, TODAY, days_ago
from tests.sandboxes import rows_of

Rows = list[dict[str, Any]]
RANGED = [name for name, command in COMMANDS.items() if command.ranged]


@pytest.fixture(scope="module")
def month() -> dict[str, Rows]:
    """Four weeks of everything."""
    world = World(rows_per_day=80)
    return {command: rows_of(world, command, days_ago(27)) for command in COMMANDS}


def test_rows_are_the_same_for_the_same_seed_and_day() -> None:
    for command in RANGED:
        day = days_ago(5)
        alone = rows_of(World(3, 40), command, day, day)
        week = rows_of(World(3, 40), command, days_ago(7))
        within = [row for row in week if _day_of(command, row) == day]
        assert alone
        assert alone == within
        assert alone != rows_of(World(4, 40), command, day, day)


def _day_of(command: str, row: dict[str, Any]) -> date:
    moment = row[str(COMMANDS[command].day)]
    assert isinstance(moment, datetime)
    return moment.astimezone(AMSTERDAM).date()


def test_ids_point_to_rows_that_exist(month: dict[str, Rows]) -> None:
    ids = {table: {row["id"] for row in month[table]} for table in ("accounts", "agents", "hosts")}
    ids["filters"] = {row["id"] for row in month["filterstatshourly"]}
    ids["cccagents"] = {row["id"] for row in month["cccagents"]}
    ids["conversations"] = {row["browse_id"] for row in month["conversations"]}
    points = {
        "account_id": "accounts",
        "agent_id": "agents",
        "last_agent_id": "agents",
        "assigned_agent_id": "agents",
        "accept_host_id": "hosts",
        "host_id": "hosts",
        "cccagent_id": "cccagents",
    }
    for table in month.values():
        for row in table:
            for name, other in points.items():
                assert not row.get(name) or row[name] in ids[other], (name, row)
    for row in month["emails"]:
        if _day_of("emails", row) > days_ago(27):  # the first may be of the evening before
            assert row["browse_id"] in ids["conversations"]


def test_hourly_counts_agree_with_the_conversations(month: dict[str, Rows]) -> None:
    def hour(moment: datetime) -> datetime:
        return moment.astimezone(timezone.utc).replace(minute=0, second=0)

    accepted = Counter(
        (row["account_id"], hour(row["conversation_start"])) for row in month["conversations"]
    )
    counted = {
        (row["account_id"], hour(row["hourBegin_time"])): row["num_reactive_accepted"]
        + row["num_proactive_accepted"]
        for row in month["accountspecshourly"]
    }
    assert {key: count for key, count in counted.items() if count} == dict(accepted)
    by_host = Counter[tuple[str, datetime]]()
    for row in month["hostspecshourly"]:
        by_host[row["account_id"], row["hourBegin_time"]] += row["num_pageviews"]
    assert by_host == {
        (row["account_id"], row["hourBegin_time"]): row["num_pageviews"]
        for row in month["accountspecshourly"]
    }


def test_office_hours_weekends_and_quiet_nights_show(month: dict[str, Rows]) -> None:
    local = [row["conversation_start"].astimezone(AMSTERDAM) for row in month["conversations"]]
    office = sum(9 <= moment.hour < 18 for moment in local)
    night = sum(moment.hour < 6 for moment in local)
    assert office > len(local) / 2
    assert night < len(local) / 20
    weekend = sum(moment.weekday() >= 5 for moment in local)
    assert 0 < weekend / 2 < (len(local) - weekend) / 5 / 2


def test_visitors_wait_shortly_as_a_rule_and_long_now_and_then(month: dict[str, Rows]) -> None:
    for column in ("firstResponseTime", "avgResponseTime", "decisionTime"):
        waits = [row[column] for row in month["conversations"] if row[column] is not None]
        assert fmean(waits) > 1.2 * median(waits)
    for row in month["conversations"]:
        assert row["firstResponseTime"] <= row["maxResponseTime"] <= 3 * row["duration_secs"]
        assert row["avgResponseTime"] <= row["maxResponseTime"]


def test_agents_filters_and_success_codes_differ(month: dict[str, Rows]) -> None:
    by_agent: dict[str, list[float]] = {}
    for row in month["conversations"]:
        by_agent.setdefault(row["last_agent_id"], []).append(row["firstResponseTime"])
    paces = [median(waits) for waits in by_agent.values()]
    assert max(paces) > 2 * min(paces)
    outcomes = Counter[tuple[str, str]]()
    for row in month["filterstatshourly"]:
        for name in ("num_proactive", "num_proactive_accepted", "num_proactive_ignored"):
            outcomes[row["id"], name] += row[name]
    shares = [
        outcomes[each, "num_proactive_accepted"] / outcomes[each, "num_proactive"]
        for each in {row["id"] for row in month["filterstatshourly"]}
    ]
    assert max(shares) > 3 * min(shares)
    codes = Counter(row["successcode"] for row in month["conversations"])
    ((_, most),) = codes.most_common(1)
    assert most > sum(codes.values()) / 3
    assert min(codes.values()) > 0


def test_what_became_of_invitations_adds_up_to_them(month: dict[str, Rows]) -> None:
    for row in month["filterstatshourly"]:
        ends = ("accepted", "declined", "cancelled", "no_availability", "expired", "ignored")
        became = sum(row[f"num_proactive_{end}"] for end in ends)
        assert became == row["num_proactive"] <= row["num_proactive_match"]


def test_seasons_differ_by_account() -> None:
    world = World(rows_per_day=100)
    found = {
        month: Counter(
            row["account_id"]
            for row in rows_of(world, "conversations", date(2026, month, 1), date(2026, month, 14))
        )
        for month in (4, 7, 11)
    }
    assert found[7].total() < 0.9 * found[11].total()
    assert found[4]["1002"] > found[4]["0103"] * 3  # gardens in spring
    assert found[11]["0103"] > found[7]["0103"] * 2  # health insurers before the year's end


def test_some_sessions_are_still_open(month: dict[str, Rows]) -> None:
    states = month["agentactivity"]
    still = [row for row in states if row["time_end"] is None]
    assert 0 < len(still) < len(states) / 4
    assert all(row["time_start"] <= NOW for row in states)


def test_keys_are_unique(month: dict[str, Rows]) -> None:
    for command, table in month.items():
        keys = [tuple(row[name] for name in COMMANDS[command].key) for row in table]
        assert len(set(keys)) == len(keys), command


def test_text_has_what_trips_readers_of_csv(month: dict[str, Rows]) -> None:
    text = " ".join(
        str(value) for table in month.values() for row in table for value in row.values()
    )
    for trap in (";", '"', "\n", "|", "\\", "é", "€"):
        assert trap in text, trap


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Havana", "Asia/Kolkata"])
def test_days_are_those_of_the_zone(zone: str) -> None:
    world = World(rows_per_day=30, timezone=zone)
    now = datetime(2026, 11, 22, 12, tzinfo=world.zone)
    day = date(2026, 11, 1)  # the day on which Havana sets its clock back
    for command in RANGED:
        for row in rows_of(world, command, day, day, now):
            moments = [
                value
                for name, value in row.items()
                if isinstance(value, datetime) and "end" not in name.lower()
            ]
            assert all(moment.astimezone(world.zone).date() == day for moment in moments)


def test_millions_of_rows_come_one_by_one() -> None:
    found = World(rows_per_day=3_000_000).rows("conversations", days_ago(3), days_ago(2), NOW)
    assert len(list(islice(found, 1000))) == 1000


def test_a_command_without_rows_is_an_error_that_names_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = Command("new", ("id",), ("id",), day=None, ranged=False, ccc=False)
    monkeypatch.setitem(COMMANDS, "new", command)
    with pytest.raises(NotImplementedError, match=r"'new' has no rows yet.* sandbox/world\.py"):
        list(World().rows("new", TODAY, TODAY, NOW))
