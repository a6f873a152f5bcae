"""The sandbox: it keeps the rules of the API's page, and its data is coherent and lifelike."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

import pytest
import requests

from tap_cobrowser.sandbox import Sandbox, World
from tap_cobrowser.sandbox.cli import main
from tap_cobrowser.sandbox.world import CCC_ONLY, TABLES, WITHOUT_RANGE
from tests.conftest import AMSTERDAM, NOW, STREAMS, TODAY, WINDOWED, days_ago

Rows = list[dict[str, Any]]


def get(sandbox: Sandbox, command: str, **query: object) -> requests.Response:
    asked = {"user": sandbox.user, "apiKey": sandbox.api_key, "c": command, **query}
    return requests.get(
        sandbox.url,
        {name: str(value) for name, value in asked.items() if value is not None},
        timeout=10,
    )


def rows(world: World, command: str, first: date, last: date = TODAY, now: datetime = NOW) -> Rows:
    return [
        dict(zip(TABLES[command], row, strict=True))
        for row in world.rows(command, first, last, now)
    ]


# The rules of the page


@pytest.mark.parametrize("command", TABLES)
def test_every_command_answers_with_a_header_and_all_values_quoted(
    sandbox: Sandbox, command: str
) -> None:
    response = get(sandbox, command, start=1, stop=0)
    assert response.status_code == 200
    found = list(csv.reader(io.StringIO(response.text, newline=""), delimiter=";", strict=True))
    assert tuple(found[0]) == TABLES[command]
    assert len(found) > 1
    assert {len(row) for row in found} == {len(TABLES[command])}
    quoted = r'"(?:[^"]|"")*"'
    assert re.fullmatch(rf"(?:{quoted}(?:;{quoted})*\n)+", response.text)


def test_the_date_header_is_of_the_sandbox_s_own_clock(sandbox: Sandbox) -> None:
    date_header = get(sandbox, "accounts").headers["Date"]
    assert parsedate_to_datetime(date_header) == NOW
    assert date_header.endswith("GMT")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"apiKey": "wrong"}, 401),
        ({"apiKey": None}, 401),
        ({"user": "CCC@sandbox.example"}, 401),
        ({"c": "nothing"}, 400),
        ({"start": 2, "stop": 0}, 400),
        ({"start": 0, "stop": 1}, 400),
        ({"start": -1, "stop": -1}, 400),
        ({"start": "x"}, 400),
        ({"start": 9, "stop": 8}, 200),
        ({"start": 0}, 200),
        ({}, 200),
        ({"csvseperator": "\t"}, 400),
        ({"csvseperator": "|"}, 200),
    ],
)
def test_the_rules_of_the_page_are_kept(
    sandbox: Sandbox, query: dict[str, Any], status: int
) -> None:
    assert get(sandbox, **{"command": query.pop("c", "emails"), **query}).status_code == status


@pytest.mark.parametrize("command", sorted(CCC_ONLY))
def test_ccc_commands_are_refused_to_plain_agents(sandbox: Sandbox, command: str) -> None:
    plain = {"user": sandbox.plain_user, "apiKey": sandbox.plain_api_key}
    assert get(sandbox, command, **plain).status_code == 403
    assert get(sandbox, "agents", **plain).status_code == 200


def test_the_server_listens_on_loopback_only(sandbox: Sandbox) -> None:
    assert sandbox._server.server_address[0] == "127.0.0.1"
    assert sandbox.url.startswith("http://127.0.0.1:")


# The data


@pytest.fixture(scope="module")
def month() -> dict[str, Rows]:
    """Four weeks of everything."""
    world = World(rows_per_day=80)
    return {command: rows(world, command, days_ago(27)) for command in TABLES}


def test_rows_are_the_same_for_the_same_seed_and_day() -> None:
    for command in WINDOWED:
        day = days_ago(5)
        alone = rows(World(3, 40), command, day, day)
        within = [
            row for row in rows(World(3, 40), command, days_ago(7)) if _day_of(command, row) == day
        ]
        assert alone
        assert alone == within
        assert alone != rows(World(4, 40), command, day, day)


def _day_of(command: str, row: dict[str, Any]) -> date:
    times = ("conversation_start", "timestamp", "time_start", "session_start", "hourBegin_time")
    (moment,) = [row[name] for name in times if name in TABLES[command]]
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


def test_some_sessions_are_still_open(month: dict[str, Rows]) -> None:
    states = month["agentactivity"]
    still = [row for row in states if row["time_end"] is None]
    assert 0 < len(still) < len(states) / 4
    assert all(row["time_start"] <= NOW for row in states)


def test_keys_are_unique(month: dict[str, Rows]) -> None:
    for command, table in month.items():
        keys = [tuple(row[name] for name in STREAMS[command].primary_keys) for row in table]
        assert len(set(keys)) == len(keys), command


def test_text_has_what_trips_readers_of_csv(month: dict[str, Rows]) -> None:
    text = " ".join(
        str(value) for table in month.values() for row in table for value in row.values()
    )
    for trap in (";", '"', "\n", "|", "\\", "é", "€"):
        assert trap in text, trap


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Havana", "Asia/Kolkata"])
def test_days_are_those_of_the_zone_and_hours_cover_them(zone: str) -> None:
    world = World(rows_per_day=30, timezone=zone)
    now = datetime(2026, 11, 22, 12, tzinfo=world.zone)
    day = date(2026, 11, 1)  # the day on which Havana sets its clock back
    for command in WINDOWED:
        for row in world.rows(command, day, day, now):
            named = dict(zip(TABLES[command], row, strict=True))
            moments = [
                value
                for name, value in named.items()
                if isinstance(value, datetime) and "end" not in name.lower()
            ]
            assert all(moment.astimezone(world.zone).date() == day for moment in moments)


def test_millions_of_rows_come_one_by_one() -> None:
    found = World(rows_per_day=3_000_000).rows("conversations", days_ago(3), days_ago(2), NOW)
    assert len(list(islice(found, 1000))) == 1000


# The executable

RUN = [sys.executable, "-m", "tap_cobrowser.sandbox"]


def test_the_command_gets_the_settings_and_its_exit_code_is_passed_on() -> None:
    code = (
        "import os, sys; "
        "print(*sorted(v for v in os.environ if v.startswith('TAP_COBROWSER_'))); sys.exit(7)"
    )
    done = subprocess.run(
        [*RUN, sys.executable, "-c", code], capture_output=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 7
    names = ("API_KEY", "API_URL", "CCC_AGENT", "TIMEZONE", "USER")
    assert done.stdout.split() == [f"TAP_COBROWSER_{name}" for name in names]
    assert "for trying and testing only" in done.stderr


def test_a_command_that_is_not_there_is_told() -> None:
    done = subprocess.run(
        [*RUN, "there-is-no-such-command"], capture_output=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 127
    assert "there-is-no-such-command" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "option", [["--timezone", "Nowhere"], ["--rows-per-day", "-1"], ["--fault", "none"]]
)
def test_a_wrong_option_is_told(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(option)
    assert option[0] in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way there")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [[], [sys.executable, "-c", "input()"]])
def test_it_stops_on_a_signal_and_with_it_the_command(
    signum: signal.Signals, command: list[str]
) -> None:
    with subprocess.Popen(
        [*RUN, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stderr
        assert "Serving" in process.stderr.readline()
        threading.Event().wait(0.5)
        os.killpg(process.pid, signum)  # as a terminal does
        process.wait(20)
        url = process.stderr.read()
    assert process.returncode in {128 + signum, 1}, url


def test_faults_happen_as_often_as_asked_for(sandbox: Sandbox) -> None:
    sandbox.fail("status-503", "accounts", times=2, after=1)
    codes = [get(sandbox, "accounts").status_code for _ in range(5)]
    assert codes == [200, 503, 503, 200, 200]
    assert get(sandbox, "agents").status_code == 200
    with pytest.raises(KeyError):
        sandbox.fail("no such kind")


def test_the_control_door_sets_faults_and_clock_and_tells_the_requests(sandbox: Sandbox) -> None:
    door = sandbox.url.replace("/generic/api/csv.php", "/sandbox")
    fault = {"kind": "status-503", "command": "accounts", "times": 1}
    assert requests.post(f"{door}/faults", json=fault, timeout=5).status_code == 204
    assert [get(sandbox, "accounts").status_code for _ in range(2)] == [503, 200]
    requests.post(f"{door}/faults", json={"kind": "empty"}, timeout=5)
    requests.delete(f"{door}/faults", timeout=5)
    assert get(sandbox, "accounts").content
    made = requests.get(f"{door}/requests", timeout=5).json()
    assert [request["status"] for request in made] == [503, 200, 200]
    clock = {"now": "2026-01-01T12:00:00Z", "frozen": True}
    assert requests.put(f"{door}/clock", json=clock, timeout=5).status_code == 204
    assert get(sandbox, "accounts").headers["Date"] == "Thu, 01 Jan 2026 12:00:00 GMT"
    for wrong in ({"kind": "none"}, {"nothing": 1}, {}):
        assert requests.post(f"{door}/faults", json=wrong, timeout=5).status_code == 400
    assert requests.post(f"{door}/elsewhere", json=fault, timeout=5).status_code == 404


def test_ranges_are_told_from_commands_without_one() -> None:
    assert set(WINDOWED) | WITHOUT_RANGE == TABLES.keys()
    assert timedelta(0) < NOW - datetime.combine(TODAY, datetime.min.time(), AMSTERDAM)
