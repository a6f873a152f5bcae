"""The doctor finds out which reading of the API's page a server follows, and shows no data."""

from __future__ import annotations

import csv
import json
import logging
import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World
from sandbox.readings import parse_reading
from tap_cobrowser import settings
from tap_cobrowser.api.clock import Time
from tap_cobrowser.api.transport import Reply, Transport
from tap_cobrowser.doctor import cli
from tap_cobrowser.doctor.late import read_report
from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tests.expected import AMSTERDAM, NOW, STREAMS, WINDOWED, days_ago, ordered
from tests.keys import shows_key
from tests.outputs import run

if TYPE_CHECKING:
    from pathlib import Path

WORLD = World(rows_per_day=12)
PAGE: dict[str, Any] = {
    "access": "ccc",
    "range_order": "start_older",
    "range_end": "included",
    "range_most": 2,
    "range_used": "yes",
    "day_zone": "matches",
    "stamp_offset": "+01:00",
    "clock": 0,
    "encoding": "UTF-8",
    "quoting": "doubled",
    "dates": "RFC 2822",
    "numbers": "plain",
    "empty": "header_only",
    "keys": dict.fromkeys(STREAMS, "unique"),
    "row_limit": "none_seen",
    "late": "not_compared",
    "latency": None,
    "concurrency": None,
}
"""What is found on a server that works as the page says; None is any figure."""


@dataclass
class Examined:
    """The result of an examination."""

    report: dict[str, Any]
    text: str
    error: TapCobrowserError | None
    problem: str
    requests: int

    def answer(self, name: str) -> Any:
        return self.finding(name)["answer"]

    def finding(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.report["findings"] if each["id"] == name)
        return found

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.report["settings"]
        return found


def time_at(now: datetime = NOW) -> Time:
    """Return a machine's time that stands still but for waits."""
    waited = [0.0]
    return Time(lambda: now, lambda: sum(waited), waited.append)


def settings_of(sandbox: Sandbox, **changed: Any) -> dict[str, Any]:
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "ccc_agent": True,
        "max_retries": 1,
        **changed,
    }


def examine(
    sandbox: Sandbox, *, now: datetime = NOW, time: Time | None = None, **options: Any
) -> Examined:
    earlier = options.pop("earlier", None)
    checked = settings.check(settings_of(sandbox, **options))
    before = len(sandbox.requests)
    report, error = cli.report_of(checked, earlier, time or time_at(now))
    made = len(sandbox.requests) - before
    assert report.requests == made <= 60
    return Examined(json.loads(report.to_json()), report.to_text(), error, report.problem, made)


def readings_of(*words: str, **more: Any) -> Readings:
    return Readings(**dict(map(parse_reading, words)), **more)  # type: ignore[arg-type]


def examine_reading(*readings: str, world: World = WORLD, **options: Any) -> Examined:
    with Sandbox(world, clock=NOW, frozen=True, readings=readings_of(*readings)) as sandbox:
        return examine(sandbox, **options)


def test_a_server_that_works_as_the_page_says_needs_no_change() -> None:
    found = examine_reading("silent=2001-01-01..2020-12-31", world=World(rows_per_day=60))
    assert {each["id"] for each in found.report["findings"]} == {*PAGE}
    for name, answer in PAGE.items():
        assert answer is None or found.answer(name) == answer, found.finding(name)
    assert [each["id"] for each in found.report["findings"] if each["recommendation"]] == []
    assert {each["confidence"] for each in found.report["findings"]} <= {
        *("proven", "likely", "unknown"),
    }
    assert (found.settings, found.report["ask"], found.error, found.problem) == ({}, [], None, "")
    assert found.report["version"] == 1
    assert len(found.text.splitlines()) <= 40
    assert max(map(len, found.text.splitlines())) <= 140
    for name in PAGE:
        assert len(re.findall(rf"^  {name}\b", found.text, re.MULTILINE)) == 1, name
    assert found.requests <= 28


ONE_DAY = {"window_days": 1}
READINGS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "order=stop_older": ({"range_order": "stop_older"}, ONE_DAY, False),
    "order=either": ({"range_order": "either"}, {}, False),
    "end=excluded": ({"range_end": "excluded"}, ONE_DAY, False),
    "range=first_day": ({"range_end": "excluded"}, ONE_DAY, False),
    "range=last_day": ({"range_end": "included"}, ONE_DAY, False),
    "range=rejected": ({"range_most": 1, "range_order": "unknown"}, ONE_DAY, False),
    "range=fails": ({"range_most": 1, "range_order": "unknown"}, ONE_DAY, False),
    "range=ignored": ({"range_used": "ignored", "range_order": "unknown"}, {}, True),
    "stale=yesterday": ({"day_zone": "unknown", "range_used": "unknown"}, {}, True),
    "stale=cached": ({}, {}, False),
    "stale=cached_old_date": ({}, {}, False),
    "stale=yesterday_old_date": ({"clock": 86400}, {}, False),
    "day_zone=UTC": ({"day_zone": "+00:00"}, {"timezone": "UTC"}, True),
    "day_zone=America/New_York": (
        {"day_zone": "-05:00"},
        {"timezone": "America/New_York"},
        True,
    ),
    "day_zone=Asia/Kolkata": ({"day_zone": "+05:00, +05:30, +05:45"}, {}, True),
    "row_limit=100": ({"row_limit": 100}, ONE_DAY, True),
    "row_limit=50": ({"row_limit": "unknown", "range_end": "unknown"}, ONE_DAY, False),
    "colliding_keys=true": ({"keys": None}, {}, False),
    "silent=odd": ({"empty": "header_only"}, {}, False),
    "silent=even": ({"empty": "header_only"}, {}, False),
    "silent=weekends": ({"empty": "header_only"}, {}, False),
    "rows=office_hours": ({"day_zone": "unknown"}, {}, False),
    "rows=one_a_day": ({"day_zone": "unknown"}, {}, False),
    "rows=midnight": ({}, {}, False),
    "stamp_zone=UTC": ({"stamp_offset": "+00:00"}, {}, False),
    "quoting=fputcsv": ({"quoting": "fputcsv"}, {}, False),
    "quoting=rfc": ({}, {}, False),
    "quoting=slashes": ({"quoting": "addslashes"}, {}, False),
    "quoting=bare": ({"quoting": "bare"}, {}, False),
    "dates=dutch": ({"dates": "RFC 2822, Dutch names"}, {}, False),
    "dates=iso": ({"dates": "ISO 8601"}, {}, False),
    "dates=unix": ({"dates": "Unix seconds", "stamp_offset": "none"}, {}, False),
    "dates=naive": (
        {"dates": "ISO 8601", "stamp_offset": "none", "day_zone": "unknown"},
        {},
        False,
    ),
    "numbers=comma": ({"numbers": "decimal comma"}, {}, False),
    "numbers=blank": ({}, {}, False),
    "nothing=no_bytes": ({"empty": "nothing"}, {}, False),
    "nothing=text": ({"empty": "text"}, {}, False),
    "nothing=dutch_text": ({"empty": "text"}, {}, False),
    "nothing=204": ({"empty": "nothing"}, {}, False),
    "encoding=utf-16": ({"encoding": "UTF-16"}, {}, False),
    "encoding=windows-1252": ({"encoding": "Windows-1252"}, {}, False),
    "encoding=broken-bytes": ({"encoding": "UTF-8, with invalid characters"}, {}, False),
    "header=none": ({"empty": None, "access": None}, {}, True),
    "separator=tab": ({}, {}, False),
    "empty=null": ({}, {}, False),
    "nul=true": ({"encoding": None}, {}, False),
    "line_end=crlf": ({}, {}, False),
    "last_line_ended=false": ({}, {}, False),
    "sep_line=true": ({}, {}, False),
    "trailing_separator=true": ({}, {}, False),
}
"""What is found other than on the page, the settings to change, and whether rows are lost."""


UNSEEN = ["line_end=crlf", "sep_line=true", "trailing_separator=true", "empty=null", "nul=true"]
"""Readings that make no difference to the tap; they can be combined."""


def test_a_report_is_the_same_whatever_makes_no_difference_to_the_tap() -> None:
    found = examine_reading(*UNSEEN)
    assert_nothing_wrong(found, *UNSEEN)
    assert (found.settings, found.problem) == ({}, "")


@pytest.mark.parametrize(
    "reading",
    [pytest.param(each, marks=pytest.mark.long) if each in UNSEEN else each for each in READINGS],
)
def test_each_reading_is_found(reading: str) -> None:
    answers, wanted, loses = READINGS[reading]
    # A day without rows, which a report of the page's server would not show.
    silent = (
        ["silent=2001-01-01..2020-12-31"] if reading.startswith(("nothing", "last_line")) else []
    )
    found = examine_reading(reading, *silent)
    for name, answer in answers.items():
        assert answer is None or found.answer(name) == answer, found.finding(name)
    assert_nothing_wrong(found, reading)
    assert found.settings == wanted
    assert bool(found.problem) == loses
    if reading == "colliding_keys=true":
        assert all(isinstance(count, int) for count in found.answer("keys").values())
    assert len(found.text.splitlines()) <= 40


WITHOUT_RANGES = {"range=ignored", "range=rejected", "range=fails"}


def assert_nothing_wrong(found: Examined, *readings: str) -> None:
    """Check that nothing is proven that is not so."""
    for each in found.report["findings"]:
        name, answer = each["id"], each["answer"]
        right = [READINGS[reading][0][name] for reading in readings if name in READINGS[reading][0]]
        if "unknown" in right and not {*readings} & WITHOUT_RANGES:
            right.append(PAGE[name])  # which is so, but cannot be seen in each account
        if each["confidence"] == "proven" and None not in [PAGE[name], *right]:
            assert answer in (right or [PAGE[name]]), each
        assert (answer == "unknown") <= (each["confidence"] == "unknown"), each


def assert_pair(pair: tuple[str, str]) -> None:
    """Examine a server of two readings: nothing wrong is proven, and what is known is right."""
    found = examine_reading(*pair)
    assert_nothing_wrong(found, *pair)
    wanted = {**READINGS[pair[0]][1], **READINGS[pair[1]][1]}
    for name, value in found.settings.items():
        assert name == "window_days" or value == wanted.get(name), (name, value)
    assert len(found.text.splitlines()) <= 40


PAIRS = [
    pair for pair in combinations(READINGS, 2) if pair[0].split("=")[0] != pair[1].split("=")[0]
]


@pytest.mark.parametrize("pair", random.Random(28).sample(PAIRS, 6), ids=" ".join)
def test_of_two_readings_nothing_wrong_is_proven(pair: tuple[str, str]) -> None:
    assert_pair(pair)


@pytest.mark.long
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_of_any_two_readings_nothing_wrong_is_proven(pair: tuple[str, str]) -> None:
    assert_pair(pair)


@pytest.mark.parametrize(
    "reading",
    ["order=stop_older", "day_zone=America/New_York", "row_limit=100"],
)
def test_its_settings_applied_the_tap_extracts_everything(reading: str) -> None:
    days = {"start_date": days_ago(5).isoformat(), "end_date": days_ago(2).isoformat()}
    # A limit that no single day reaches.
    world = World(rows_per_day=2) if "limit" in reading else WORLD
    readings = readings_of(reading.replace("=100", "=130"))
    with Sandbox(world, clock=NOW, frozen=True, readings=readings) as sandbox:
        found = examine(sandbox)
        config = settings_of(sandbox, **days, ccc_agent=False)
        output = run({**config, **found.settings}, time=time_at())
        sandbox.readings = Readings(day_zone=readings.day_zone)
        zone = {"timezone": readings.day_zone or "Europe/Amsterdam"}
        everything = run({**config, **zone, **ONE_DAY}, time=time_at())
    assert found.settings
    for stream in WINDOWED:
        assert ordered(output.records(stream)) == ordered(everything.records(stream)), stream
        assert output.records(stream)


def test_an_account_without_any_chats_is_told_from_none_of_the_readings() -> None:
    for reading in ("order=stop_older", "range=ignored"):
        found = examine_reading("silent=all", reading)
        for name in ("range_order", "range_end", "range_used", "day_zone", "stamp_offset", "dates"):
            assert found.answer(name) == "unknown", name
        assert found.answer("empty") == "header_only"
        assert (found.settings, found.problem) == ({}, "")
        ids = "range_used, day_zone, stamp_offset, dates, numbers: No day with rows was seen."
        assert (
            len(re.findall(rf"^  range_order, range_end, .*{ids}$", found.text, re.MULTILINE)) == 1
        )


def test_the_machine_s_clock_is_compared_with_the_server_s() -> None:
    for off in (timedelta(days=40),):
        with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
            found = examine(sandbox, now=NOW + off)
            assert found.answer("clock") == off.total_seconds()
            assert found.answer("day_zone") == "matches"
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail("no-date")
        assert examine(sandbox).answer("clock") == "no_date"


def test_agents_of_both_kinds_get_the_setting_that_fits() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        plain = {"user": sandbox.plain_user, "api_key": sandbox.plain_api_key}
        for options, answer, wanted, loses in (
            ({"ccc_agent": False}, "ccc", {"ccc_agent": True}, False),
            (plain, "agent", {"ccc_agent": False}, True),
            ({**plain, "ccc_agent": False}, "agent", {}, False),
        ):
            found = examine(sandbox, **options)
            assert (found.answer("access"), found.settings) == (answer, wanted)
            assert bool(found.problem) == loses


@pytest.mark.parametrize(("fault", "loses"), [("text", True), ("header-only", False)])
def test_an_agent_is_known_by_what_the_commands_for_ccc_agents_say(fault: str, loses: bool) -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        for name in (name for name in STREAMS if name.startswith("ccc")):
            sandbox.fail(fault, name)
        found = examine(sandbox)
    access = found.finding("access")
    assert (access["answer"], access["confidence"]) == ("agent", "likely")
    assert (found.settings, bool(found.problem)) == ({"ccc_agent": False} if loses else {}, loses)


class RejectsStartOlder(Readings):
    """Rejects the order in which the tap sends the ends of a range."""

    def days(self, start: int, stop: int, window_days: int) -> tuple[int, int] | None:
        if start > stop:
            msg = "start must not be before stop"
            raise ValueError(msg)
        return super().days(start, stop, window_days)


@pytest.mark.parametrize(("silent", "order"), [("", "stop_older"), ("all", "unknown")])
def test_ranges_that_are_rejected_as_the_tap_sends_them_are_found(silent: str, order: str) -> None:
    readings = RejectsStartOlder(order="stop_older", silent=silent)
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=readings) as sandbox:
        found = examine(sandbox)
    assert found.answer("range_order") == order
    assert found.settings == ({} if silent else ONE_DAY)
    assert found.problem == ""  # the tap asks for one day at a time


def test_commands_that_cannot_be_extracted_are_named() -> None:
    faults = {
        "emails": ("status-403", "(status 403): "),
        "hosts": ("status-404", "(status 404): The server rejects"),
        "agentactivity": ("text", ": The response is not CSV."),
        "agentperformance": ("html", ": The response is incomplete, is an HTML page"),
        "hostspecshourly": ("no-key", ": The response lacks a column"),
        "slotsactivity": ("bad-number", ": A cell does not fit"),
    }
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        for name, (fault, _) in faults.items():
            sandbox.fail(fault, name)
        found = examine(sandbox)
    advice = found.finding("access")["recommendation"]
    for name, (_, why) in faults.items():
        assert re.search(rf"{name} ?{re.escape(why)}", advice), name
    assert "conversations" not in advice
    assert "(access)" in found.problem
    assert found.error is None


def test_a_zone_whose_clocks_were_changed_lately_is_found() -> None:
    now = datetime(2026, 11, 3, 14, 30, tzinfo=AMSTERDAM)
    readings = Readings(day_zone="America/New_York", end="excluded")
    with Sandbox(WORLD, clock=now, frozen=True, readings=readings) as sandbox:
        found = examine(sandbox, now=now)
    assert found.answer("day_zone") == "-04:00, -05:00"
    assert found.answer("range_end") == "excluded"
    assert found.settings == {"timezone": "America/New_York", **ONE_DAY}


def test_the_same_number_of_rows_each_day_is_no_limit() -> None:
    silent = ",".join(f"{name}:all" for name in WINDOWED if name != "accountspecshourly")
    for reading, end in (("end=included", "included"), ("end=excluded", "excluded")):
        found = examine_reading(reading, f"silent={silent}")
        assert found.answer("range_end") == end
        assert found.answer("row_limit") in {"none_seen", "unknown"}
        assert found.problem == ""


def test_a_window_that_is_too_large_for_the_server_is_recommended_smaller() -> None:
    assert examine_reading(window_days=7).settings == {"window_days": 2}
    with Sandbox(WORLD, clock=NOW, frozen=True, window_days=31) as sandbox:
        found = examine(sandbox, window_days=7)
        assert (found.answer("range_most"), found.settings) == (3, {})
    with Sandbox(WORLD, clock=NOW, frozen=True, window_days=1) as sandbox:
        found = examine(sandbox)
        assert (found.answer("range_most"), found.settings) == (1, ONE_DAY)


def test_a_rejected_key_is_one_line() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        found = examine(sandbox, api_key="a key that is wrong")
    assert [each["id"] for each in found.report["findings"]] == ["access"]
    assert (found.answer("access"), found.requests) == ("refused", 1)
    heading, line = found.text.splitlines()
    assert heading.endswith(": 1 request")
    assert "status 401" in line
    assert "Check `user`" in line


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("status-503", "503"),
        ("status-429", "429"),
        ("html", "HTML"),
        ("text", "not CSV"),
        ("reset", "closed the connection"),
    ],
)
def test_a_server_that_fails_ends_it_in_one_line(fault: str, said: str) -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail(fault)
        with pytest.raises(TapCobrowserError, match=said) as raised:
            examine(sandbox)
        assert len(str(raised.value).splitlines()) == 1
        assert len(sandbox.requests) <= 4


def test_an_error_quotes_no_row() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail("cut-text")
        with pytest.raises(TapCobrowserError) as raised:
            examine(sandbox)
    assert "'" not in str(raised.value).partition("days ago")[2]


@pytest.mark.parametrize(
    ("fault", "after", "said"), [("retry-after-hours", 20, "503"), ("status-429", 20, "429")]
)
def test_it_stops_where_the_server_asks_for_it_and_reports_what_it_has(
    fault: str, after: int, said: str
) -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail(fault, after=after)
        found = examine(sandbox)
    assert found.requests == after + 1
    assert said in str(found.error)
    assert "It ended early: " in found.text
    assert found.answer("range_end") == "included"
    assert found.answer("concurrency") == "unknown"


def test_a_server_that_rejects_requests_at_once_gets_fewer() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        alone = examine(sandbox).requests
        assert [each.in_flight for each in sandbox.requests][:-6] == [1] * (alone - 6)
        assert max(each.in_flight for each in sandbox.requests) <= 4
        spans = [abs((each.start or 0) - (each.stop or 0)) + 1 for each in sandbox.requests]
        assert sorted(spans)[-2:] == [2, 3]
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail("status-429", after=alone - 4)
        found = examine(sandbox)
        assert found.settings == {"max_concurrent_requests": 2}
        assert (found.error, found.problem) == (None, "")


NUMBER = re.compile(r"[\d.]{1,5}")
"""What is a cell as well as a rounded figure."""


@pytest.mark.parametrize(
    "readings",
    [(), ("order=stop_older", "nothing=text", "dates=iso")],
    ids=str,
)
def test_the_report_has_no_cell_of_any_response(
    monkeypatch: pytest.MonkeyPatch, readings: tuple[str, ...]
) -> None:
    replies: list[Reply] = []
    get = Transport.get

    def kept(self: Transport, parameters: Any) -> Reply:
        replies.append(get(self, parameters))
        return replies[-1]

    monkeypatch.setattr(Transport, "get", kept)
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=readings_of(*readings)) as sandbox:
        # What the server says echoes the request; one cell is none, and quoted in an error.
        sandbox.fail("status-400", "emails")
        sandbox.fail("bad-number", "slotsactivity")
        sandbox.fail("no-key", "hosts")
        found = examine(sandbox)
    names = {name for each in STREAMS.values() for name in each.schema["properties"]}
    cells = {
        cell
        for reply in replies
        if reply.status == 200
        for row in csv.reader(StringIO(reply.body.decode()), delimiter=";")
        for cell in row
        if len(cell) >= 3 and not NUMBER.fullmatch(cell)
    } - names
    assert len(cells) > 100
    whole = json.dumps(found.report) + found.text
    words = {*re.findall(r"\w+", whole)}
    assert not [cell for cell in cells if cell in words or (not cell.isalnum() and cell in whole)]
    assert sandbox.user not in whole
    assert "%40sandbox" not in whole
    assert not shows_key(whole)


def test_days_that_change_late_are_found_by_an_earlier_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        first = examine(sandbox)
        path.write_text(json.dumps(first.report), encoding="utf-8")
        earlier = read_report(str(path))
        assert earlier["streams"].keys() == {*WINDOWED}
        same = examine(sandbox, earlier=earlier)
        assert same.answer("late") == "not_compared"
        assert "too early" in same.finding("late")["evidence"]
        assert same.report["days"]["salt"] != first.report["days"]["salt"]
        # The offline state that began on Friday ends on Monday.
        later = NOW + timedelta(days=2)
        sandbox.set_clock(later, frozen=True)
        changed = examine(sandbox, now=later, earlier=earlier, lookback_days=1)
        late = changed.finding("late")
        assert (late["answer"], late["confidence"]) == ("yes", "proven")
        assert "agentactivity" in late["evidence"]
        assert "conversations" not in late["evidence"]
        assert changed.settings == {"lookback_days": 4}
        assert "(late)" in changed.problem
        user, key = sandbox.plain_user, sandbox.plain_api_key
        other = examine(sandbox, now=later, earlier=earlier, user=user, api_key=key)
        assert other.answer("late") == "not_compared"
        assert "another `user`" in other.finding("late")["evidence"]


def test_days_without_rows_and_days_of_the_future_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for silent, later in (("all", 1), ("", -1)):
        with Sandbox(WORLD, clock=NOW, frozen=True, readings=Readings(silent=silent)) as sandbox:
            path.write_text(json.dumps(examine(sandbox).report), encoding="utf-16")
            now = NOW + timedelta(days=later)
            sandbox.set_clock(now, frozen=True)
            found = examine(sandbox, now=now, earlier=read_report(str(path)))
            assert found.answer("late") == "not_compared"


def test_what_is_no_earlier_report_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    old = {"salt": "x", "timezone": "x", "today": "0001-01-01", "user": "", "streams": {}}
    count = {**old, "today": "2026-11-20"}
    count["streams"] = {"emails": {"2026-11-19": {"count": 10, "digest": "x"}}}
    for text in (
        json.dumps({"version": 1, "days": count}),  # of an earlier version of the doctor
        *("", "[]", '{"version": 1}', '{"version": 1, "days": null}', '{"version": 2}'),
        *("[" * 100_000, json.dumps({"version": 1, "days": old})),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputFileError, match="cannot be read"):
            read_report(str(path))
    with pytest.raises(InputFileError, match="cannot be read"):
        read_report(str(tmp_path / "none.json"))


def command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["tap-cobrowser-doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    logging.captureWarnings(capture=False)
    code = ended.value.code or 0
    assert isinstance(code, int)
    return (code, *capsys.readouterr())


def test_the_command_line(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file, output = tmp_path / "config.json", tmp_path / "report.json"
    file.write_text(json.dumps(settings_of(sandbox, max_retries=0)), encoding="utf-8")
    both = ("--config", str(file))
    code, out, _ = command_line(
        capsys, monkeypatch, *both, "--format", "json", "--output", str(output)
    )
    assert (code, out) == (0, "")
    assert json.loads(output.read_text(encoding="utf-8"))["version"] == 1
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAP_COBROWSER_WINDOW_DAYS", "3")
    sandbox.fail("status-404", "emails")
    code, out, said = command_line(capsys, monkeypatch, "--config", "ENV", "--against", str(output))
    assert code == 1
    assert '{"window_days": 2}' in out
    assert "would fail or lose rows (access)" in said.splitlines()[-1]
    made = len(sandbox.requests)
    for arguments, words in (
        (("--against", str(tmp_path / "none")), "earlier report"),
        (("--output", str(tmp_path / "none" / "report")), "cannot be written"),
        (("--format", "xml"), "--help"),
    ):
        code, out, said = command_line(capsys, monkeypatch, *both, *arguments)
        assert (code, out) == (1, "")
        assert words in said.splitlines()[-1]
    assert len(sandbox.requests) == made


def test_a_report_that_cannot_be_printed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(StringIO):
        def write(self, _: str, /) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(InputFileError, match="cannot be written: Broken pipe"):
        cli._write(None, "text")
