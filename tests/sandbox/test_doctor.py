"""The doctor finds out which reading of the API's page a server follows, and shows no data."""

from __future__ import annotations

import csv
import json
import logging
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World, writing
from sandbox.readings import parse_reading
from sandbox.world import CCC_ONLY
from tap_cobrowser.api.clock import Time
from tap_cobrowser.doctor import cli
from tap_cobrowser.doctor.late import read_report
from tap_cobrowser.doctor.writing import Written, how_written
from tap_cobrowser.errors import InputFileError, TapCobrowserError
from tap_cobrowser.reading.table import TableReader
from tap_cobrowser.tap import TapCobrowser
from tap_cobrowser.api.transport import Reply, Transport
from tests.expected import AMSTERDAM, NOW, STREAMS, WINDOWED, days_ago, ordered
from tests.keys import shows_key
from tests.outputs import run

if TYPE_CHECKING:
    from pathlib import Path

WORLD = World(rows_per_day=12)
IDS = (
    "access range_order range_end range_most range_used day_zone stamp_offset clock header "
    "encoding line_ends quoting dates numbers empty keys row_limit late compression latency "
    "concurrency"
)
PAGE = {
    "access": "ccc",
    "range_order": "start_older",
    "range_end": "included",
    "range_most": 2,
    "range_used": "yes",
    "day_zone": "matches",
    "stamp_offset": "+01:00",
    "clock": 0,
    "header": "documented",
    "encoding": "UTF-8",
    "line_ends": "LF",
    "quoting": "doubled",
    "dates": "RFC 2822",
    "numbers": "plain",
    "row_limit": "none_seen",
    "late": "not_compared",
    "compression": "none",
}


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
    """Return a machine's time that stands still."""
    return Time(lambda: now, sleep=lambda _: None)


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
    tap = TapCobrowser(config=settings_of(sandbox, **options), setup_mapper=False)
    before = len(sandbox.requests)
    report, error = cli.examine(tap, time=time or time_at(now), earlier=earlier)
    made = len(sandbox.requests) - before
    assert made <= 60
    if report is None:
        return Examined({}, "", error, "", made)
    return Examined(json.loads(report.to_json()), report.to_text(), error, report.problem, made)


def examine_reading(*readings: str, world: World = WORLD, **options: Any) -> Examined:
    both = Readings(**dict(map(parse_reading, readings)))  # type: ignore[arg-type]
    with Sandbox(world, clock=NOW, frozen=True, readings=both) as sandbox:
        return examine(sandbox, **options)


def test_a_server_that_behaves_as_the_page_says_needs_no_change() -> None:
    found = examine_reading(world=World(rows_per_day=60))
    assert found.requests <= 60
    assert " ".join(each["id"] for each in found.report["findings"]) == IDS
    for name, answer in PAGE.items():
        assert found.answer(name) == answer, name
    assert found.answer("keys") == dict.fromkeys(found.answer("keys"), "unique")
    assert found.answer("keys").keys() == STREAMS.keys()
    assert [each["id"] for each in found.report["findings"] if each["recommendation"]] == []
    assert (found.settings, found.error, found.problem) == ({}, None, "")
    assert found.report["version"] == 1
    assert {each["confidence"] for each in found.report["findings"]} <= {
        "proven",
        "likely",
        "unknown",
    }
    assert "Nothing to change." in found.text


ONE_DAY = {"window_days": 1}
# Readings, what is found other than on the page, the settings that are recommended, and whether an
# extraction loses rows without them.
READINGS: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("order=stop_older", {"range_order": "stop_older", "empty": "header_only"}, ONE_DAY, False),
    ("order=either", {"range_order": "either"}, {}, False),
    ("end=excluded", {"range_end": "excluded"}, ONE_DAY, False),
    ("range=first_day", {"range_end": "excluded"}, ONE_DAY, False),
    ("range=last_day", {"range_end": "included"}, ONE_DAY, False),
    ("range=ignored", {"range_used": "ignored", "range_order": "unknown"}, {}, True),
    ("stale=yesterday", {"day_zone": "unknown", "range_end": "unknown"}, {}, True),
    ("stale=yesterday_old_date", {"clock": 86400}, {}, False),
    ("day_zone=UTC", {"day_zone": "+00:00"}, {"timezone": "UTC"}, True),
    (
        "day_zone=America/New_York",
        {"day_zone": "-05:00"},
        {"timezone": "America/New_York"},
        True,
    ),
    ("day_zone=Asia/Kolkata rows=all", {"day_zone": "+05:30"}, {"timezone": "Asia/Kolkata"}, True),
    ("row_limit=50", {"row_limit": 50}, ONE_DAY, True),
    ("row_limit=1", {"row_limit": 1, "range_end": "unknown"}, ONE_DAY, True),
    ("silent=odd", {"empty": "header_only"}, {}, False),
    ("silent=even nothing=204", {"empty": "nothing"}, {}, False),
    ("silent=weekends nothing=no_bytes", {"empty": "nothing"}, {}, False),
    ("rows=office_hours", {"day_zone": "unknown"}, {}, False),
    ("rows=one_a_day", {"day_zone": "unknown"}, {}, False),
    ("stamp_zone=UTC", {"stamp_offset": "+00:00"}, {}, False),
    ("quoting=fputcsv", {"quoting": "fputcsv"}, {}, False),
    ("quoting=rfc", {"quoting": "doubled, only where needed"}, {}, False),
    ("dates=iso", {"dates": "ISO 8601"}, {}, False),
    ("dates=unix", {"dates": "Unix seconds", "stamp_offset": "none"}, {}, False),
    ("encoding=utf-16", {"encoding": "UTF-16"}, {}, False),
    ("encoding=windows-1252", {"encoding": "Windows-1252"}, {}, False),
    ("encoding=broken-bytes", {"encoding": "UTF-8, broken"}, {}, False),
    ("line_end=crlf", {"line_ends": "CRLF"}, {}, False),
    ("trailing_separator=true", {"header": "trailing separator"}, {}, False),
    # pairs
    ("order=stop_older end=excluded", {"range_order": "stop_older", "range_end": "excluded"},
     ONE_DAY, False),
    ("order=either end=excluded silent=odd", {"range_order": "either", "range_end": "excluded"},
     ONE_DAY, False),
    ("order=stop_older silent=even", {"range_order": "stop_older"}, ONE_DAY, False),
    ("end=excluded rows=one_a_day", {"range_end": "excluded", "day_zone": "unknown"},
     ONE_DAY, False),
    ("end=excluded day_zone=America/New_York", {"range_end": "excluded", "day_zone": "-05:00"},
     {"timezone": "America/New_York", **ONE_DAY}, True),
    ("row_limit=50 silent=odd", {"row_limit": 50}, {}, True),
]  # fmt: skip


@pytest.mark.parametrize(("reading", "answers", "wanted", "loses"), READINGS)
def test_each_reading_is_found_and_its_settings_get_every_row(
    reading: str, answers: dict[str, Any], wanted: dict[str, Any], loses: bool
) -> None:
    readings = Readings(**dict(map(parse_reading, reading.split())))  # type: ignore[arg-type]
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=readings) as sandbox:
        found = examine(sandbox)
        for name, answer in answers.items():
            assert found.answer(name) == answer, found.finding(name)
        for each in found.report["findings"]:
            own = answers.get(each["id"], PAGE.get(each["id"], each["answer"]))
            # Nothing that is not so is ever proven.
            assert each["confidence"] != "proven" or each["answer"] == own, each
            assert (each["answer"] == "unknown") <= (each["confidence"] == "unknown"), each
        assert found.settings == wanted
        assert bool(found.problem) == loses
        if not wanted or "row_limit" in reading:
            return
        # Days before and after: one of the server's begins in another one of the zone's.
        days = {"start_date": days_ago(5).isoformat(), "end_date": days_ago(2).isoformat()}
        config = settings_of(sandbox, **days)
        output = run({**config, **found.settings}, time=time_at())
        zone = {"timezone": found.settings.get("timezone", "Europe/Amsterdam")}
        whole = Readings(silent=readings.silent, rows=readings.rows, day_zone=readings.day_zone)
        sandbox.readings = whole
        everything = run({**config, **zone, **ONE_DAY}, time=time_at())
    for stream in WINDOWED:
        assert ordered(output.records(stream)) == ordered(everything.records(stream)), stream
        assert output.records(stream)


def test_an_account_without_any_chats_is_told_from_none_of_the_readings() -> None:
    for reading in ("order=stop_older", "range=ignored", "day_zone=UTC", "end=excluded"):
        found = examine_reading("silent=all", reading)
        for name in ("range_order", "range_end", "range_used", "day_zone", "stamp_offset", "dates"):
            assert found.answer(name) == "unknown", name
        assert found.answer("empty") == "header_only"
        assert (found.settings, found.problem) == ({}, "")


def test_colliding_keys_are_counted_by_stream() -> None:
    found = examine_reading("colliding_keys=true")
    assert all(isinstance(count, int) for count in found.answer("keys").values())
    assert "__key_properties__" in found.finding("keys")["recommendation"]


def test_a_date_of_stored_responses_is_stale() -> None:
    with Sandbox(WORLD, clock=NOW, readings=Readings(stale="cached_old_date")) as sandbox:
        passed = [0.0]
        sandbox.set_clock(lambda: NOW + timedelta(seconds=passed[0]))

        def sleep(seconds: float) -> None:
            passed[0] += seconds

        time = Time(lambda: NOW + timedelta(seconds=passed[0]), lambda: passed[0], sleep)
        found = examine(sandbox, time=time)
    assert found.answer("clock") == "stale"
    assert found.problem


def test_the_machine_s_clock_is_compared_with_the_server_s() -> None:
    for off in (timedelta(0), timedelta(hours=-3), timedelta(days=40)):
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
        for name in CCC_ONLY:
            sandbox.fail(fault, name)
        found = examine(sandbox)
        assert (found.answer("access"), found.finding("access")["confidence"]) == (
            "agent",
            "likely",
        )
        assert (found.settings, bool(found.problem)) == (
            {"ccc_agent": False} if loses else {},
            loses,
        )
        assert examine(sandbox, ccc_agent=False).problem == ""


class RejectsStartOlder(Readings):
    """Rejects the order in which the tap sends the ends of a range."""

    def days(self, start: int, stop: int, window_days: int) -> tuple[int, int] | None:
        if start > stop:
            msg = "start must not be before stop"
            raise ValueError(msg)
        return super().days(start, stop, window_days)


@pytest.mark.parametrize(("silent", "order"), [("", "stop_older"), ("all", "unknown")])
def test_ranges_that_are_rejected_as_the_tap_sends_them_need_the_setting(
    silent: str, order: str
) -> None:
    readings = RejectsStartOlder(order="stop_older", silent=silent)
    with Sandbox(WORLD, clock=NOW, frozen=True, readings=readings) as sandbox:
        found = examine(sandbox)
        assert (found.answer("range_order"), found.settings) == (order, ONE_DAY)
        assert "otherwise the extraction fails" in found.finding("range_order")["recommendation"]
        assert "(range_order)" in found.problem
        assert examine(sandbox, window_days=1).problem == ""


def test_commands_that_cannot_be_extracted_are_named() -> None:
    faults = {
        "emails": ("status-403", "rejected (status 403)"),
        "hosts": ("status-404", "rejected (status 404)"),
        "agentactivity": ("text", "not CSV"),
        "agentperformance": ("html", "HTML"),
        "hostspecshourly": ("no-key", "lacks a column"),
        "slotsactivity": ("bad-number", "a cell does not fit"),
    }
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        for name, (fault, _) in faults.items():
            sandbox.fail(fault, name)
        found = examine(sandbox)
    evidence = found.finding("access")["evidence"]
    for name, (_, why) in faults.items():
        assert re.search(rf"'{name}': [^;]*{re.escape(why)}", evidence), name
    assert "conversations" not in evidence
    assert "(access, header)" in found.problem
    assert found.error is None


def test_date_times_without_an_offset_prove_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(writing._STAMPS, "iso", lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}")
    zone = examine_reading("dates=iso").finding("day_zone")
    assert (zone["answer"], zone["confidence"]) == ("matches", "likely")
    found = examine_reading("dates=iso", "stamp_zone=America/New_York")
    assert (found.answer("day_zone"), found.settings) == ("unknown", {})
    assert "(day_zone)" in found.problem


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
        assert (found.answer("range_end"), found.answer("row_limit")) == (end, "none_seen")
        assert found.problem == ""


def test_a_limit_is_told_from_large_tables_without_days() -> None:
    limited = ("row_limit=100",)
    tables = ("agents", "accounts")
    with pytest.MonkeyPatch.context() as patch:
        pick = Readings.pick

        def unlimited(self: Readings, world: World, command: str, *more: Any) -> Any:
            rows = Readings() if command in tables else self
            return pick(rows, world, command, *more)

        patch.setattr(Readings, "pick", unlimited)
        found = examine_reading(*limited, world=World(rows_per_day=80))
    assert found.answer("row_limit") == 100
    assert found.settings == ONE_DAY


def test_a_window_that_is_too_large_for_the_server_is_recommended_smaller() -> None:
    found = examine_reading(window_days=7)
    assert (found.settings, bool(found.problem)) == ({"window_days": 2}, True)
    with Sandbox(WORLD, clock=NOW, frozen=True, window_days=31) as sandbox:
        found = examine(sandbox, window_days=7)
        assert (found.answer("range_most"), found.settings) == (3, {})
    with Sandbox(WORLD, clock=NOW, frozen=True, window_days=1) as sandbox:
        found = examine(sandbox)
        assert (found.answer("range_most"), found.settings) == (1, ONE_DAY)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("status-401", "Check `user`"),
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
        found = examine(sandbox)
        assert said in str(found.error)
        assert len(str(found.error).splitlines()) == 1
        assert found.requests <= 2
        if fault == "status-401":
            assert found.answer("access") == "refused"
        else:
            assert not found.report


def test_an_error_has_no_rows_of_an_incomplete_response() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        for name in ("conversations", "emails"):
            sandbox.fail("cut-text", name)
        error = examine(sandbox).error
    assert error
    assert error.what == "The response is incomplete"


def test_a_pause_that_is_asked_for_ends_it() -> None:
    for fault, after in (("retry-after-hours", 12), ("retry-after-hours", 25)):
        with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
            sandbox.fail(fault, after=after)
            found = examine(sandbox)
            assert found.requests == after + 1
            assert "503" in str(found.error)


def test_it_stops_on_429_with_what_it_has() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail("status-429", after=20)
        found = examine(sandbox)
        assert found.requests == 21
        assert "429" in str(found.error)
        assert found.answer("range_end") == "included"
        assert found.answer("concurrency") == "unknown"


def test_a_server_that_refuses_requests_at_once_gets_fewer() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        alone = examine(sandbox).requests
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        sandbox.fail("status-429", after=alone - 4)
        found = examine(sandbox)
        assert found.settings == {"max_concurrent_requests": 2}
        assert (found.error, found.problem) == (None, "")


def test_requests_are_made_one_at_a_time_but_for_those_that_compare() -> None:
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        examine(sandbox, max_concurrent_requests=16)
        made = list(sandbox.requests)
    assert {each.in_flight for each in made[:-6]} == {1}
    assert max(each.in_flight for each in made) <= 4
    spans = [abs((each.start or 0) - (each.stop or 0)) + 1 for each in made]
    assert sorted(spans)[-2:] == [2, 3]


NUMBER = re.compile(r"[\d.]{1,5}")
"""What is a cell as well as a rounded figure."""


@pytest.mark.parametrize(
    "readings",
    [(), ("order=stop_older", "nothing=text"), ("dates=iso", "day_zone=UTC"), ("range=ignored",)],
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
    both = Readings(**dict(map(parse_reading, readings)))  # type: ignore[arg-type]
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True, readings=both) as sandbox:
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
    shown = {cell for cell in cells if re.search(rf"\b{re.escape(cell)}\b", whole)}
    assert not shown
    assert sandbox.user not in whole
    assert "%40sandbox" not in whole
    assert not shows_key(whole)


def test_days_that_change_late_are_found_by_an_earlier_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with Sandbox(WORLD, clock=NOW, frozen=True) as sandbox:
        first = examine(sandbox)
        path.write_text(json.dumps(first.report), encoding="utf-8")
        earlier = read_report(str(path))
        assert len(earlier.streams) == len(WINDOWED)
        same = examine(sandbox, earlier=earlier)
        assert same.answer("late") == "no"
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
        assert changed.problem
        user, key = sandbox.plain_user, sandbox.plain_api_key
        other = examine(sandbox, now=later, earlier=earlier, user=user, api_key=key)
        assert other.answer("late") == "not_compared"
        assert "another `user`" in other.finding("late")["evidence"]


def test_days_without_rows_and_days_of_the_future_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for silent, later in (("all", 1), ("", -1)):
        readings = Readings(silent=silent)
        with Sandbox(WORLD, clock=NOW, frozen=True, readings=readings) as sandbox:
            path.write_text(json.dumps(examine(sandbox).report), encoding="utf-16")
            now = NOW + timedelta(days=later)
            sandbox.set_clock(now, frozen=True)
            found = examine(sandbox, now=now, earlier=read_report(str(path)))
            assert found.answer("late") == "not_compared"


def test_what_is_no_earlier_report_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    old = {"salt": "x", "timezone": "x", "today": "0001-01-01", "streams": {}}
    for text in (
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
    file.write_text(json.dumps(settings_of(sandbox)), encoding="utf-8")
    both = ("--config", str(file))
    code, out, _ = command_line(
        capsys, monkeypatch, *both, "--format", "json", "--output", str(output)
    )
    assert (code, out) == (0, "")
    assert json.loads(output.read_text(encoding="utf-8"))["version"] == 1
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAP_COBROWSER_WINDOW_DAYS", "3")
    code, out, said = command_line(capsys, monkeypatch, "--config", "ENV", "--against", str(output))
    assert code == 1
    assert "window_days: 2" in out
    assert "would fail or lose rows (range_most)" in said.splitlines()[-1]
    made = len(sandbox.requests)
    report = output.read_text(encoding="utf-8")
    for name, content in {
        "ancient": re.sub(r'"\d{4}-', '"0001-', report),
        "endless": re.sub(r'"count": \d+', '"count": Infinity', report),
        "deep": "[" * 100_000,
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        code, _, said = command_line(capsys, monkeypatch, *both, "--against", str(tmp_path / name))
        assert code == 1
        assert "earlier report" in said.splitlines()[-1]
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
    with pytest.raises(InputFileError, match="cannot be printed: Broken pipe"):
        cli._print("text")


def test_a_byte_order_mark_alone_shows_nothing_else() -> None:
    command = cli.commands(TapCobrowser(config={}, validate_config=False))["emails"]
    reader = TableReader(command.columns, ";", AMSTERDAM)
    assert how_written(command, reader, Reply(200, "OK", {}, b"\xef\xbb\xbf")) == Written()
