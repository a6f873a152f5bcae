"""Not one row lost: the server's days, windows, bookmarks and slices, through the whole tap.

Time here is made up: the sandbox's clock and the machine's own are moved by the tests, so that
midnight can fall into any request.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from sandbox import Sandbox, World
from sandbox.world import TABLES, WITHOUT_RANGE
from tap_cobrowser.days import ONE_DAY, midnight
from tap_cobrowser.errors import ClockError, StateError
from tests.expected import AMSTERDAM, NOW, TODAY, WINDOWED, days_ago, expected, ordered
from tests.made_up import MadeUp
from tests.outputs import Output, run, select, warnings_of
from tests.strategies import examples
from tests.worlds import FewRows, config_for, serve

if TYPE_CHECKING:
    from tests.outputs import Command

ZONES = [
    "Europe/Amsterdam",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Pago_Pago",
    "Asia/Kolkata",
    "America/St_Johns",
    "America/Santiago",
]


EMAILS = select("emails")
DURATIONS = st.sampled_from([0.0, 0.0, 0.0, 0.5, 1, 1.5, 29, 3600, 20 * 3600])


@dataclass
class Session:
    """A run at some time, what happens in it, and where it is cut off."""

    gap: float
    steps: list[float]
    cut: float | None
    """The share of its messages that reach the target before a crash; None for no crash."""


SESSIONS = st.builds(
    Session,
    gap=st.floats(0, 3 * 86400),
    steps=st.lists(DURATIONS, max_size=12),
    cut=st.none() | st.floats(0, 1),
)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    near=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30)),  # noqa: DTZ001
    edge=st.integers(-90, 90) | st.integers(-86400, 86400),
    drift=st.sampled_from([0, 0, 1, -1, 59, -61, 3600, -7200, 86400, -86400, 40 * 86400, -9e6]),
    start=st.integers(-3, 20),
    lookback=st.integers(0, 4),
    window=st.sampled_from([1, 2, 2, 2, 7]),
    workers=st.integers(1, 4),
    seed=st.integers(0, 99),
    sessions=st.lists(SESSIONS, min_size=1, max_size=4),
)
@example(
    zone=ZoneInfo("Europe/Amsterdam"),
    near=datetime(2026, 4, 1),  # noqa: DTZ001
    edge=0,
    drift=0,
    start=0,
    lookback=1,
    window=1,
    workers=1,
    seed=0,
    # midnight between two windows, and a row of the first that comes after that
    sessions=[Session(0, [72000], None), Session(115199, [0, 0, 72000], None)],
)
@example(
    zone=ZoneInfo("Europe/Amsterdam"),
    near=datetime(2026, 10, 25),  # noqa: DTZ001 - the clock goes back
    edge=-1,
    drift=120,
    start=4,
    lookback=0,
    window=2,
    workers=1,
    seed=3,
    sessions=[Session(0, [0, 1.5, 1.5], None), Session(86400, [], None)],
)
@examples(30, suppress_health_check=[HealthCheck.too_slow])
# requests that the example before has left behind may still draw how long to wait
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_every_row_up_to_the_last_completed_day_arrives_whatever_happens(
    zone: ZoneInfo,
    near: datetime,
    edge: int,
    drift: float,
    start: int,
    lookback: int,
    window: int,
    workers: int,
    seed: int,
    sessions: list[Session],
) -> None:
    begin = midnight(near.date(), zone) + timedelta(seconds=edge)
    time = MadeUp(begin, timedelta(seconds=drift))
    world = FewRows(zone, late=lookback, seed=seed)
    first = begin.astimezone(zone).date() - timedelta(days=start)
    received: set[str] = set()
    state: dict[str, Any] | None = None
    with serve(world, time) as sandbox:
        sandbox.window_days = window
        config = config_for(
            sandbox,
            zone,
            start_date=first.isoformat(),
            lookback_days=lookback,
            window_days=window,
            max_concurrent_requests=workers,
            max_retries=1,
        )
        for session in [*sessions, Session(0, [], None)]:
            time.pass_by(session.gap)
            time.steps = list(session.steps)
            before = time.now
            messages = messages_of(config, time, state)
            assert all(
                each.start is None or (each.stop or 0) <= each.start < (each.stop or 0) + window
                for each in sandbox.requests
            )
            if session.cut is not None:
                messages = messages[: int(len(messages) * session.cut)]
            last = bookmark_of(state)
            for message in messages:
                if message["type"] == "RECORD":
                    received.add(message["record"]["id"])
                elif message["type"] == "STATE":
                    state = message["value"]
                    # never back, never past the server's today, never ahead of the records
                    begun = last.astimezone(zone).date() if last else first
                    assert last is None or (bookmark_of(state) or last) >= last
                    last = bookmark_of(state)
                    today = time.now.astimezone(zone).date()
                    assert last is None or last <= midnight(today, zone)
                    done = last.astimezone(zone).date() if last else first
                    assert world.ids(begun, done - ONE_DAY, before) <= received
        # The last run took place without anything unusual, but its waits may have passed midnight.
        began, today = (moment.astimezone(zone).date() for moment in (before, time.now))
        assert world.ids(first, began, before) <= received <= world.ids(first, today, time.now)
        if first <= began:
            bookmark = bookmark_of(state)
            assert bookmark
            assert midnight(began, zone) <= bookmark <= midnight(today, zone)
            assert state
            assert state["bookmarks"]["emails"]["replication_key"] == "timestamp"


def messages_of(
    config: dict[str, Any], time: MadeUp, state: dict[str, Any] | None
) -> list[dict[str, Any]]:
    output: list[Output] = []
    # days may pass within each response: what was committed before is kept
    with suppress(ClockError):
        run(config, catalog=EMAILS, state=state, time=time.of_tap(), output=output)
    return output[0].messages


def bookmark_of(state: dict[str, Any] | None) -> datetime | None:
    emails = (state or {}).get("bookmarks", {}).get("emails", {})
    value = emails.get("replication_key_value")
    return datetime.fromisoformat(value) if value else None


# The server's clock


def amsterdam(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=AMSTERDAM).astimezone(timezone.utc)


@pytest.mark.parametrize("left", [1, 3, 5, 7])
def test_a_run_over_midnight_reads_to_the_day_that_its_first_response_fixed(left: int) -> None:
    """Before the run, some seconds are left of the day; each request takes one."""
    time = MadeUp(amsterdam(23, 0) - timedelta(seconds=left + 0.1))
    world = FewRows(seed=5)
    with serve(world, time) as sandbox:
        sandbox.before_rows = lambda _: time.pass_by(1)
        config = config_for(sandbox, start_date="2026-11-14", max_concurrent_requests=1)
        output = run(config, catalog=EMAILS, time=time.of_tap())
    last = 23 if left == 1 else 22
    ids = [row["id"] for row in output.records("emails")]
    assert len(ids) == len(set(ids))
    assert set(ids) >= world.ids(date(2026, 11, 14), date(2026, 11, 21), time.now)
    assert set(ids) <= world.ids(date(2026, 11, 14), date(2026, 11, last), time.now)
    assert bookmark_of(output.states[-1]) == amsterdam(last, 0)


def test_a_machine_whose_clock_is_a_day_off_needs_no_retry() -> None:
    time = MadeUp(amsterdam(22, 12), timedelta(days=1))
    world = FewRows(seed=5)
    with serve(world, time) as sandbox:
        config = config_for(sandbox, start_date="2026-11-14", max_retries=0)
        output = run(config, catalog=EMAILS, time=time.of_tap())
    ids = {row["id"] for row in output.records("emails")}
    assert ids == world.ids(date(2026, 11, 14), date(2026, 11, 22), time.now)


def test_a_start_that_the_machine_takes_for_the_future_is_read() -> None:
    time = MadeUp(amsterdam(22, 12), timedelta(days=-5))
    world = FewRows(seed=2)
    with serve(world, time) as sandbox:
        config = config_for(sandbox, start_date="2026-11-19")
        output = run(config, catalog=EMAILS, time=time.of_tap())
        assert (sandbox.requests[0].start, sandbox.requests[0].stop) == (1, 1)
    ids = {row["id"] for row in output.records("emails")}
    assert ids == world.ids(date(2026, 11, 19), date(2026, 11, 22), time.now)


def test_a_start_in_the_server_s_future_reads_nothing_and_is_no_error() -> None:
    time = MadeUp(amsterdam(22, 12))
    with serve(FewRows(), time) as sandbox:
        config = config_for(sandbox, start_date="2026-12-01")
        output = run(config, catalog=EMAILS, time=time.of_tap())
        assert [(each.start, each.stop) for each in sandbox.requests] == [(1, 1)]
    assert not output.records("emails")
    assert not output.states or bookmark_of(output.states[-1]) is None


@pytest.mark.parametrize("drift", [-40, 5])
@pytest.mark.parametrize("end", [None, 28])
def test_a_default_start_counts_from_the_servers_day(drift: int, end: int | None) -> None:
    time = MadeUp(amsterdam(22, 12), timedelta(days=drift))
    world, last = FewRows(seed=2), days_ago(end or 0)
    with serve(world, time) as sandbox:
        config = config_for(sandbox, end_date=last.isoformat() if end else None)
        output = run(config, catalog=EMAILS, time=time.of_tap())
    ids = [row["id"] for row in output.records("emails")]
    assert sorted(ids) == sorted(world.ids(days_ago(30), last, time.now))


# Bookmarks


@pytest.mark.parametrize(  # other forms: tests/unit/test_bookmarks.py
    ("value", "first"),
    [("2026-11-19", "2026-11-17"), ("2026-11-18T22:59:59Z", "2026-11-16")],
)
def test_a_bookmark_that_somebody_wrote_is_understood(
    sandbox: Sandbox, config: dict[str, Any], value: str, first: str
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": value}}}
    output = run({**config, "lookback_days": 2}, catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", date.fromisoformat(first))
    assert ordered(output.records("emails")) == ordered(rows)


def test_a_bookmark_that_is_no_date_is_rejected_before_any_request(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": "yesterday"}}}
    output = command(config, catalog=EMAILS, state=state)
    assert output.code == 1
    assert "'yesterday', which is not a date" in output.last_line
    assert StateError.advice in output.last_line
    assert not sandbox.requests


def test_a_bookmark_in_the_server_s_future_is_a_warning_and_stays(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": "2031-01-01"}}}
    output = run(config, catalog=EMAILS, state=state)
    assert not output.records("emails")
    assert {each["bookmarks"]["emails"]["replication_key_value"] for each in output.states} == {
        "2031-01-01"
    }
    (line,) = warnings_of(caplog)
    assert line.startswith("emails: the bookmark (2031-01-01) is after the server's today")


def test_a_later_start_date_wins_over_the_bookmark(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": "2026-11-10"}}}
    output = run(config, catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", days_ago(8))
    assert ordered(output.records("emails")) == ordered(rows)


def test_without_a_start_date_a_bookmark_however_old_is_continued_from(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    del config["start_date"]
    state = {"bookmarks": {"emails": {"replication_key_value": "2026-09-10"}}}
    output = run(config, catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", date(2026, 9, 7))
    assert ordered(output.records("emails")) == ordered(rows)


def test_without_state_and_start_date_thirty_days_are_read(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    del config["start_date"]
    output = run(config, catalog=EMAILS)
    rows = expected(sandbox.world, "emails", days_ago(30))
    assert ordered(output.records("emails")) == ordered(rows)


def test_a_look_back_longer_than_a_window_does_not_move_the_bookmark_back(
    config: dict[str, Any],
) -> None:
    bookmark = midnight(TODAY, AMSTERDAM).isoformat()
    state = {"bookmarks": {"emails": {"replication_key_value": bookmark}}}
    output = run({**config, "lookback_days": 7}, catalog=EMAILS, state=state)
    assert output.records("emails")
    assert {each["bookmarks"]["emails"]["replication_key_value"] for each in output.states} == {
        bookmark
    }


def test_forced_full_table_replication_ignores_bookmarks_and_keeps_none(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select("emails")
    for stream in catalog["streams"]:
        for item in stream["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["forced-replication-method"] = "FULL_TABLE"
    state = {"bookmarks": {"emails": {"replication_key_value": "2026-11-22"}}}
    output = run(config, catalog=catalog, state=state)
    rows = expected(sandbox.world, "emails", days_ago(8))
    assert ordered(output.records("emails")) == ordered(rows)


def test_a_daily_run_makes_the_fewest_requests_and_three_more_for_the_preflight(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    state = {
        "bookmarks": {
            stream: {"replication_key_value": days_ago(1).isoformat()}
            for stream in (*WINDOWED, "cccslotsactivity")
        }
    }
    for lookback, windows in ((0, 1), (1, 2)):
        sandbox.requests.clear()
        run({**config, "lookback_days": lookback}, state=state)
        first = sandbox.requests[0].command
        for command in TABLES:
            made = [each for each in sandbox.requests if each.command == command]
            wanted = 1 if command in WITHOUT_RANGE else windows
            assert len(made) == wanted + 3 * (command == first)


# Slices


def test_disjoint_slices_give_exactly_the_rows_of_one_run(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    whole = run({**config, "start_date": days_ago(8).isoformat()})
    parts: dict[str, list[str]] = {stream: [] for stream in WINDOWED}
    for first, last in ((8, 6), (5, 5), (4, 0)):
        part = {
            **config,
            "start_date": days_ago(first).isoformat(),
            "end_date": days_ago(last).isoformat(),
        }
        output = run(part)
        for stream in WINDOWED:
            parts[stream] += ordered(output.records(stream))
            done = days_ago(max(last - 1, 0))
            assert output.bookmark(stream) == midnight(done, AMSTERDAM).isoformat()
    for stream in WINDOWED:
        assert sorted(parts[stream]) == ordered(whole.records(stream))
    assert sandbox.requests


# Streams without a range


def test_cccslotsactivity_is_incremental_without_a_range(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    catalog = select("cccslotsactivity")
    everything = expected(sandbox.world, "cccslotsactivity", TODAY)
    first = run(config, catalog=catalog)  # start_date does not apply
    assert ordered(first.records("cccslotsactivity")) == ordered(everything)
    assert first.bookmark("cccslotsactivity") == midnight(TODAY, AMSTERDAM).isoformat()
    later = NOW + 2 * ONE_DAY
    sandbox.set_clock(later, frozen=True)
    second = run(
        {**config, "lookback_days": 1},
        catalog=catalog,
        state=first.states[-1],
        machine=lambda: later,
    )
    least = midnight(days_ago(1), AMSTERDAM).isoformat()
    rows = expected(sandbox.world, "cccslotsactivity", TODAY, later.date(), later)
    assert ordered(second.records("cccslotsactivity")) == ordered(
        [row for row in rows if row["time_start"] >= least]
    )
    assert second.bookmark("cccslotsactivity") == midnight(later.date(), AMSTERDAM).isoformat()


# The zone


@pytest.mark.parametrize("now", [datetime(2026, 3, 30, 12), datetime(2026, 10, 26, 12)])  # noqa: DTZ001
def test_days_at_the_clock_change_are_whole_and_no_warning(
    caplog: pytest.LogCaptureFixture, now: datetime
) -> None:
    now = now.replace(tzinfo=AMSTERDAM)
    world = World(rows_per_day=200)
    with Sandbox(world, clock=now, frozen=True) as sandbox:
        first = now.date() - timedelta(days=3)
        config = config_for(sandbox, start_date=first.isoformat())
        output = run(config, catalog=select(*WINDOWED), machine=lambda: now)
    for stream in WINDOWED:
        rows = expected(world, stream, first, now.date(), now)
        assert ordered(output.records(stream)) == ordered(rows)
    assert not warnings_of(caplog)
