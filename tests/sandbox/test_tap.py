"""The tap as its users run it: its output, its settings, its messages."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox, World
from sandbox.world import CCC_ONLY, TABLES, WITHOUT_RANGE
from tests.expected import NOW, STREAMS, TODAY, WINDOWED, days_ago, expected, ordered
from tests.outputs import Output, run, select, warnings_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.outputs import Command

CLOCK = NOW.isoformat()


def test_days_through_the_sandbox_command_are_exactly_its_rows() -> None:
    world = World(seed=7, rows_per_day=25)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sandbox", "--seed", "7", "--rows-per-day", "25"),
            *("--clock", CLOCK, "--frozen", "--verbose"),
            *(sys.executable, "-m", "tap_cobrowser", "--config", "ENV"),
        ],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "TAP_COBROWSER_START_DATE": days_ago(14).isoformat()},
        timeout=120,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("sandbox: ")]
    output = Output.of(done.stdout, done.returncode, done.stderr)
    assert output.code == 0
    for stream in TABLES:
        first = days_ago(14) if stream in WINDOWED else TODAY
        assert ordered(output.records(stream)) == ordered(expected(world, stream, first)), stream
    # Each day was requested, never more than two of them at a time.
    days: dict[str, set[int]] = {}
    for line in lines:
        _, status, command, start, stop = re.split(r" |\.\.", line)
        assert status == "200"
        if start != "None":
            assert 0 <= int(start) - int(stop) <= 1
            days.setdefault(command, set()).update(range(int(stop), int(start) + 1))
    assert days.keys() == set(WINDOWED)
    assert all(set(range(15)) <= requested for requested in days.values())


def test_a_state_follows_the_records_of_each_window(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    output = run(config, catalog=select("slotsactivity"))
    seen: list[str] = []
    bookmarks: list[str] = []
    for message in output.messages:
        if message["type"] == "RECORD":
            seen.append(message["record"]["time_start"])
        elif message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["slotsactivity"]["replication_key_value"]
            # nothing before the last STATE's bookmark comes after it, nothing is claimed early
            assert all(time >= (bookmarks or [""])[-1] for time in seen)
            assert all(time < bookmark or bookmark == _utc(0) for time in seen)
            bookmarks.append(bookmark)
            seen = []
    assert not seen
    assert bookmarks == [_utc(6), _utc(4), _utc(2), _utc(0), _utc(0)]
    assert len(sandbox.requests) == len(bookmarks) + 3  # of the preflight


def _utc(days: int) -> str:
    day = days_ago(days)
    return datetime(day.year, day.month, day.day, tzinfo=NOW.tzinfo).astimezone(
        timezone.utc
    ).isoformat()  # fmt: skip


def test_a_second_run_begins_at_the_bookmark_less_the_look_back(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    first = run(config)
    sandbox.requests.clear()
    second = run(config, state=first.states[-1])
    for stream in TABLES:
        begin = days_ago(3)
        if stream == "cccslotsactivity":
            rows = [
                row
                for row in expected(sandbox.world, stream, TODAY)
                if row["time_start"] >= _utc(3)
            ]
        else:
            rows = expected(sandbox.world, stream, begin)
        assert ordered(second.records(stream)) == ordered(rows), stream
    days = {(each.start, each.stop) for each in sandbox.requests if each.command == "emails"}
    assert days == {(3, 2), (1, 0)}
    assert second.states[-1] == first.states[-1]


def test_ccc_streams_are_in_the_catalog_of_ccc_agents_alone(command: Command) -> None:
    plain = command(None, "--discover")
    names = {stream["stream"] for stream in json.loads(plain.text)["streams"]}
    assert names == TABLES.keys() - CCC_ONLY
    assert "ccc_agent" in plain.stderr
    assert "cccslotsactivity" in plain.stderr
    full = command({"ccc_agent": "true"}, "--discover")
    assert {stream["stream"] for stream in json.loads(full.text)["streams"]} == TABLES.keys()


def test_columns_are_those_of_the_api_in_its_order_and_spelling() -> None:
    # The sandbox has them written down from the API's page on its own.
    for name, stream in STREAMS.items():
        assert tuple(stream.schema["properties"]) == TABLES[name]
    assert STREAMS.keys() == TABLES.keys()


def test_about_needs_no_settings(command: Command) -> None:
    output = command(None, "--about", "--format=json")
    assert output.code == 0
    assert "lookback_days" in output.text


def test_no_invalid_setting_stops_discovery(command: Command) -> None:
    settings = {"api_key": 5, "start_date": "yesterday", "window_days": "x", "ccc_agent": "perhaps"}
    assert command(settings, "--discover").code == 0
    assert command(settings, "--about", "--format=json").code == 0


def test_the_dry_run_requests_one_window_of_each_stream(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    output = command(config, "--test")
    assert output.code == 0, output.stderr
    commands = [each.command for each in sandbox.requests]
    assert sorted(set(commands)) == sorted(TABLES)
    # of the preflight, and of quiet days, which are passed over until the first record
    assert len(commands) <= len(TABLES) + 3 + 2
    assert len(output.records("slotsactivity")) == 1
    assert "Traceback" not in output.stderr


SETTINGS_AS_TEXT = {
    "start_date": days_ago(5).isoformat(),
    "end_date": days_ago(2).isoformat(),
    "lookback_days": "1",
    "window_days": "1",
    "ccc_agent": "True",
    "csv_separator": "|",
    "max_concurrent_requests": "2",
    "request_timeout": "30",
    "max_retries": "",
    "user_agent": "",
}
SETTINGS_AS_TYPES = {
    **SETTINGS_AS_TEXT,
    "lookback_days": 1,
    "window_days": 1,
    "ccc_agent": True,
    "max_concurrent_requests": 2,
    "request_timeout": 30,
    "max_retries": None,
    "user_agent": None,
}


def test_settings_mean_the_same_in_a_file_and_in_the_environment(
    sandbox: Sandbox, command: Command
) -> None:
    place = {"user": sandbox.user, "api_key": sandbox.api_key, "api_url": sandbox.url}
    outputs = [
        command({**place, **SETTINGS_AS_TYPES}),
        command({**place, **SETTINGS_AS_TEXT}),
        command(
            None,
            *("--config", "ENV"),
            **{
                f"TAP_COBROWSER_{name.upper()}": value
                for name, value in {**place, **SETTINGS_AS_TEXT}.items()
            },
        ),
    ]
    without_time = [
        [_timeless(message) for message in output.messages if output.code == 0]
        for output in outputs
    ]
    assert without_time[0]
    assert without_time[0] == without_time[1] == without_time[2]


def test_an_empty_variable_does_not_replace_a_setting_of_the_file(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    empty = {f"TAP_COBROWSER_{name.upper()}": " " for name in SETTINGS_AS_TYPES}
    output = command(config, "--config", "ENV", catalog=select("emails"), **empty)
    assert output.code == 0
    assert ordered(output.records("emails")) == ordered(
        expected(sandbox.world, "emails", days_ago(8))
    )


def _timeless(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "time_extracted"}


def _closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/csv.php"


BAD_INPUT: dict[str, tuple[dict[str, Any], str]] = {  # others: tests/unit/test_settings.py
    "no user": ({"user": None}, "Setting 'user' is missing."),
    "key of another type": ({"api_key": ["sandbox+key"]}, "Setting 'api_key' must be text"),
    "a setting of the SDK": ({"stream_maps": 5}, "Setting 'stream_maps' is not valid"),
    "unreachable": ({"api_url": _closed_port()}, "The server could not be reached"),
    "wrong key": ({"api_key": "wrong key"}, "Check `user` (case-sensitive) and `api_key`."),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_an_error_of_one_line_that_says_what_to_do(
    sandbox: Sandbox, config: dict[str, Any], command: Command, case: str
) -> None:
    settings, said = BAD_INPUT[case]
    output = command({**config, **settings})
    assert output.code == 1
    assert said in output.last_line
    assert not output.of_type("RECORD")
    assert "Traceback" not in output.stderr
    if "Setting" in said:
        assert not sandbox.requests
    assert sandbox.api_key not in output.stderr
    assert "sandbox+key" not in output.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "there-is-none.json"], "cannot be read"),
        (["--confg", "x"], "No such option"),
        (["--test=some"], "Invalid value for --test"),
    ],
)
def test_a_wrong_command_line_is_an_error_of_one_line(
    command: Command, arguments: list[str], said: str
) -> None:
    output = command(None, *arguments)
    assert output.code == 1
    assert said in output.last_line
    assert "Traceback" not in output.stderr


def test_a_configuration_that_is_no_object_is_rejected(command: Command, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("null", encoding="utf-8")
    output = command(None, "--config", str(tmp_path / "settings.json"), "--config", "ENV")
    assert output.code == 1
    assert "file 1 of 2) cannot be read: it is not a JSON object." in output.last_line


@pytest.mark.parametrize("text", ["{}", '{"streams": []}', "null"])
def test_a_catalog_without_streams_is_an_error_and_not_all_streams(
    sandbox: Sandbox, command: Command, config: dict[str, Any], tmp_path: Path, text: str
) -> None:
    (tmp_path / "empty.json").write_text(text, encoding="utf-8")
    output = command(config, "--catalog", str(tmp_path / "empty.json"))
    assert output.code == 1
    assert "catalog" in output.last_line.lower()
    assert "ERROR" in output.last_line
    assert "Traceback" not in output.stderr
    assert not sandbox.requests


def test_an_invalid_log_level_is_an_error_of_one_line(command: Command) -> None:
    output = command(None, "--discover", TAP_COBROWSER_LOGLEVEL="loud")
    assert output.code == 1
    assert output.last_line == (
        "The log level (TAP_COBROWSER_LOGLEVEL) is not valid. Give DEBUG, INFO, WARNING or ERROR."
    )


def test_nothing_follows_the_line_of_an_error_where_warnings_are_shown(
    config: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**config, "api_key": "wrong key"}), encoding="utf-8")
    # A socket that is open at the end, as those of requests in flight may be or may be not.
    program = "import socket, runpy; left = socket.socket(); runpy.run_module('tap_cobrowser')"
    done = subprocess.run(
        [sys.executable, "-c", program, "--config", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        encoding="utf-8",
        env={**os.environ, "PYTHONWARNINGS": "once"},  # as Meltano sets it
    )
    assert done.returncode == 1
    assert "The server returned 401" in done.stderr.splitlines()[-1]
    assert "ResourceWarning" not in done.stderr


def test_a_plain_agent_reads_that_a_ccc_stream_needs_a_ccc_agent(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    plain = {"user": sandbox.plain_user, "api_key": sandbox.plain_api_key}
    output = command({**config, **plain}, catalog=select("cccagents"))
    assert output.code == 1
    assert "Stream 'cccagents'" in output.last_line
    assert "needs a CCC agent" in output.last_line


def test_a_selected_stream_that_is_not_there_is_a_warning(
    config: dict[str, Any], command: Command
) -> None:
    output = command({**config, "ccc_agent": False}, catalog=select("accounts", "cccagents"))
    assert output.code == 0
    assert "'cccagents'" in output.stderr
    assert "ccc_agent: true" in output.stderr


def test_key_columns_are_there_even_if_deselected(config: dict[str, Any]) -> None:
    but = {"emails": ["id", "timestamp", "subject", "to"]}
    output = run(config, catalog=select("emails", but=but))
    (schema,) = output.of_type("SCHEMA")
    columns = set(TABLES["emails"]) - {"subject", "to"}
    assert schema["schema"]["properties"].keys() == columns
    assert output.records("emails")
    assert all(record.keys() == columns for record in output.records("emails"))


def test_nothing_left_to_read_is_a_warning_and_leaves_the_state_as_it_was(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    state = {
        "bookmarks": {
            "emails": {
                "replication_key": "timestamp",
                "replication_key_value": "2026-11-20T23:00:00+00:00",
                "complete_from": "2026-10-22T22:00:00+00:00",
            }
        }
    }
    settings = {**config, "start_date": days_ago(30).isoformat(), "end_date": "2026-11-10"}
    output = run(settings, catalog=select("emails"), state=state)
    assert not output.records("emails")
    assert [(each.start, each.stop) for each in sandbox.requests] == [(1, 1)]
    assert all(each == state for each in output.states)
    (line,) = warnings_of(caplog)
    assert "the first day (2026-11-18) is after the last one (2026-11-10)" in line


def test_every_stream_without_a_range_takes_one_request(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    run(config, catalog=select(*WITHOUT_RANGE))
    assert sorted(each.command for each in sandbox.requests) == sorted(WITHOUT_RANGE)
