"""The sandbox: it follows the API's page, and its data is coherent and lifelike."""

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
from dataclasses import fields
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from itertools import combinations, islice
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from sandbox import Readings, Sandbox, World
from sandbox.cli import main
from sandbox.world import CCC_ONLY, TABLES, WITHOUT_RANGE
from tests.expected import AMSTERDAM, NOW, STREAMS, TODAY, WINDOWED, days_ago

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
            for row in rows(world, "conversations", date(2026, month, 1), date(2026, month, 14))
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

RUN = [sys.executable, "-m", "sandbox"]


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


# The readings of the page, over HTTP


def ids(response: requests.Response) -> list[str]:
    return [row[1] for row in csv.reader(io.StringIO(response.text, newline=""), delimiter=";")][1:]


def emails_of(sandbox: Sandbox, *days: int) -> list[str]:
    """Return the ids of the emails of some days, oldest first, as the world has them."""
    index = TABLES["emails"].index("id")
    found: list[str] = []
    for ago in days:
        rows = sandbox.world.rows("emails", days_ago(ago), days_ago(ago), sandbox.now())
        found += [str(row[index]) for row in rows]
    return found


@pytest.mark.parametrize(
    ("readings", "asked", "days"),
    [
        ({}, (4, 3), (4, 3)),
        ({"order": "stop_older"}, (4, 3), ()),
        ({"order": "stop_older"}, (3, 4), (4, 3)),
        ({"order": "either"}, (3, 4), (4, 3)),
        ({"end": "excluded"}, (4, 3), (4,)),
        ({"end": "excluded"}, (4, 4), (4,)),
        ({"range": "ignored"}, (4, 3), (0,)),
        ({"range": "first_day"}, (4, 3), (4,)),
        ({"range": "last_day"}, (4, 3), (3,)),
        ({"stale": "yesterday"}, (4, 3), (5, 4)),
        ({"silent": "2026-11-18"}, (4, 3), (3,)),
        ({"silent": "emails:all"}, (4, 3), ()),
        # pairs
        ({"order": "stop_older", "end": "excluded"}, (3, 4), (4,)),
        ({"order": "either", "range": "first_day"}, (3, 4), (4,)),
        ({"range": "last_day", "stale": "yesterday"}, (4, 3), (4,)),
        ({"end": "excluded", "silent": "2026-11-18"}, (4, 3), ()),
        ({"order": "stop_older", "silent": "2026-11-19"}, (3, 4), (4,)),
        ({"range": "first_day", "stale": "yesterday"}, (4, 3), (5,)),
    ],
)
def test_days_are_those_of_the_reading(
    sandbox: Sandbox, readings: dict[str, Any], asked: tuple[int, int], days: tuple[int, ...]
) -> None:
    sandbox.readings = Readings(**readings)
    response = get(sandbox, "emails", start=asked[0], stop=asked[1])
    assert response.status_code == 200
    expected = emails_of(sandbox, *days)
    assert ids(response) == expected
    assert bool(expected) == bool(days)


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


def test_a_row_limit_and_colliding_keys_show_in_a_response(sandbox: Sandbox) -> None:
    everything = ids(get(sandbox, "emails", start=4, stop=3))
    sandbox.readings = Readings(row_limit=5)
    assert ids(get(sandbox, "emails", start=4, stop=3)) == everything[:5]
    sandbox.readings = Readings(colliding_keys=True)
    twice = ids(get(sandbox, "emails", start=4, stop=3))
    assert sorted(twice) == sorted([*everything, twice[0], emails_of(sandbox, 3)[0]])
    sandbox.readings = Readings(colliding_keys=True, row_limit=2)
    assert ids(get(sandbox, "emails", start=4, stop=3)) == [everything[0]] * 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_days_and_stamps_have_zones_of_their_own(sandbox: Sandbox, zone: str) -> None:
    def stamps() -> list[datetime]:
        text = get(sandbox, "accountspecshourly", start=4, stop=4).text
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
        return [parsedate_to_datetime(row["hourBegin_time"]) for row in table]

    plain = stamps()
    sandbox.readings = Readings(stamp_zone=zone)
    moved = stamps()
    assert moved == plain
    assert {stamp.utcoffset() for stamp in moved} != {stamp.utcoffset() for stamp in plain}
    sandbox.readings = Readings(day_zone=zone)
    other = stamps()
    assert {stamp.utcoffset() for stamp in other} == {stamp.utcoffset() for stamp in plain}
    days = {stamp.astimezone(ZoneInfo(zone)).date() for stamp in other}
    assert days == {NOW.astimezone(ZoneInfo(zone)).date() - timedelta(days=4)}
    sandbox.readings = Readings(day_zone=zone, stamp_zone="UTC")
    assert stamps() == other


@pytest.mark.parametrize(
    ("readings", "begins", "ends"),
    [
        ({"quoting": "fputcsv"}, b"browse_id;id;", b"\n"),
        ({"quoting": "rfc"}, b"browse_id;id;", b"\n"),
        ({"quoting": "slashes"}, b'"browse_id";', b'"\n'),
        ({"quoting": "bare"}, b'"browse_id";', b'"\n'),
        ({"encoding": "utf-16"}, b"\xff\xfe", b"\n\x00"),
        ({"line_end": "crlf"}, b'"browse_id";', b'"\r\n'),
        ({"last_line_ended": False}, b'"browse_id";', b'"'),
        ({"sep_line": True}, b'sep=;\n"browse_id"', b'"\n'),
        ({"trailing_separator": True}, b'"browse_id"', b'";\n'),
        ({"quoting": "fputcsv", "line_end": "crlf"}, b"browse_id;id;", b"\r\n"),
        ({"sep_line": True, "trailing_separator": True}, b"sep=;\n", b'";\n'),
        ({"line_end": "crlf", "last_line_ended": False}, b'"browse_id"', b'"'),
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


def test_stamps_numbers_and_encodings_are_written_as_the_reading_says(sandbox: Sandbox) -> None:
    def text_of(**readings: Any) -> str:
        sandbox.readings = Readings(**readings)
        return get(sandbox, "conversations", start=4, stop=3).text

    assert re.search(r'^"[a-z]{2}, \d\d nov 2026 ', text_of(dates="dutch"), re.MULTILINE)
    assert re.search(r'^"2026-11-18T\d', text_of(dates="iso"), re.MULTILINE)
    assert re.search(r'^"179\d{7}";', text_of(dates="unix"), re.MULTILINE)
    assert re.search(r';"\d+,\d+";', text_of(numbers="comma"))
    assert re.search(r';" \d+ ";', text_of(numbers="blank"))
    text = text_of(numbers="comma", dates="iso")
    assert re.search(r'^"2026-11-18T.*;"\d+,\d+";', text, re.MULTILINE)
    sandbox.readings = Readings(encoding="windows-1252")
    response = get(sandbox, "agents")
    assert response.headers["Content-Type"] == "text/csv"
    assert "Zoë" in response.content.decode("cp1252")
    sandbox.readings = Readings(encoding="broken-bytes")
    broken = get(sandbox, "emails", start=9, stop=8).content
    assert 0 < broken.decode("utf-8", "replace").count("\ufffd") < 50


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
    with requests.Session() as session:  # the connection stays usable after it
        query = {"user": sandbox.user, "apiKey": sandbox.api_key, "c": "emails"}
        silent, busy = (
            session.get(sandbox.url, params={**query, "start": day, "stop": day}, timeout=10)
            for day in ("4", "3")
        )
    assert silent.status_code == status
    assert "Date" in silent.headers
    assert silent.content.count(b"\n") == 1 if body is None else silent.content == body
    assert ids(busy) == emails_of(sandbox, 3)


def test_every_pair_of_values_can_be_asked_for(sandbox: Sandbox) -> None:
    choices: list[tuple[str, object]] = [
        (each.name, value)
        for each in fields(Readings)
        for value in each.metadata.get("choices", (True, False))[1:]
        if each.metadata.get("choices") or isinstance(each.default, bool)
    ]
    choices += [("row_limit", 3), ("day_zone", "UTC"), ("stamp_zone", "UTC"), ("silent", "odd")]
    for (name, value), (other, second) in combinations(choices, 2):
        if name != other:
            sandbox.readings = Readings(**{name: value, other: second})  # type: ignore[arg-type]
            assert get(sandbox, "emails", start=1, stop=1).status_code in {200, 204}


def test_the_control_door_sets_the_readings(sandbox: Sandbox) -> None:
    door = sandbox.url.replace("/generic/api/csv.php", "/sandbox/readings")
    wanted = {"quoting": "fputcsv", "row_limit": 2}
    assert requests.put(door, json=wanted, timeout=5).status_code == 204
    assert sandbox.readings == Readings(quoting="fputcsv", row_limit=2)
    assert requests.get(door, timeout=5).json()["quoting"] == "fputcsv"
    assert get(sandbox, "accounts").text.startswith("id;name;")
    assert requests.put(door, json={}, timeout=5).status_code == 204
    assert sandbox.readings == Readings()
    for wrong in ({"quoting": "none"}, {"nothing_such": 1}, {"row_limit": "x"}):
        response = requests.put(door, json=wrong, timeout=5)
        assert response.status_code == 400
        assert next(iter(wrong)) in response.text
    assert sandbox.readings == Readings()


def test_readings_are_options_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import os, requests; e = os.environ; print(requests.get(e['TAP_COBROWSER_API_URL'], "
        "{'user': e['TAP_COBROWSER_USER'], 'apiKey': e['TAP_COBROWSER_API_KEY'], 'c': 'accounts'}"
        ").text)"
    )
    options = ["--reading", "quoting=fputcsv", "--reading", "row_limit=1"]
    done = subprocess.run(
        [*RUN, *options, sys.executable, "-c", code],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "id;name;postfix;reseller_id"
    assert len(done.stdout.split("\n")) == 4
    assert main(["--list-readings"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{each.name}=" in listed for each in fields(Readings))
    for wrong in ("nothing_such=1", "quoting=none"):
        with pytest.raises(SystemExit):
            main(["--reading", wrong])
        line = capsys.readouterr().err.splitlines()[-1]
        assert wrong.split("=")[0] in line
