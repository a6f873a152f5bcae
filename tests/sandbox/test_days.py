"""Not one row lost: the server's days, windows, bookmarks and slices.

Time here is made up: the sandbox's clock and the machine's own are moved by the tests, so that
midnight can fall into any request.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from sandbox import Sandbox, World
from sandbox.world import TABLES, WITHOUT_RANGE
from tap_cobrowser.days import ONE_DAY, midnight
from tap_cobrowser.errors import ClockError, StateError, TapCobrowserError
from tests.expected import AMSTERDAM, NOW, TODAY, WINDOWED, days_ago, expected, ordered
from tests.made_up import MadeUp
from tests.outputs import Output, run, select
from tests.strategies import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@dataclass(frozen=True)
class FewRows:
    """A world of one stream with a few rows a day, at its very edges too, some of which are late.

    A row of a day that is `late` shows only so many days after it; `silent` days have none.
    """

    zone: ZoneInfo
    late: int = 0
    seed: int = 1
    rows_per_day: int = 3

    def of_day(self, day: date) -> Iterator[tuple[datetime, dict[str, Any]]]:
        """Yield the rows of a day with the moment from which on each is there."""
        chance = Random(f"{self.seed} {day}")
        if chance.random() < 0.3:
            return
        begin, end = midnight(day, self.zone), midnight(day + ONE_DAY, self.zone)
        seconds = int((end - begin).total_seconds())
        for number, second in enumerate({0, seconds // 2, seconds - 1}):
            at = begin + timedelta(seconds=second)
            there = at + timedelta(days=chance.randrange(self.late + 1))
            if there > at:
                there = min(there, midnight(day + (self.late + 1) * ONE_DAY, self.zone))
            yield there, {"id": f"{day}/{number}", "timestamp": at.astimezone(self.zone)}

    def rows(
        self, command: str, first: date, last: date, now: datetime
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a range as the sandbox serves them."""
        day = first
        while day <= last:
            for there, row in self.of_day(day):
                if there <= now:
                    yield tuple(row.get(name) for name in TABLES[command])
            day += ONE_DAY

    def ids(self, first: date, last: date, now: datetime) -> set[str]:
        """Return the ids of the rows of a range that are there."""
        return {row[TABLES["emails"].index("id")] for row in self.rows("emails", first, last, now)}


@contextmanager
def serve(world: FewRows | World, time: MadeUp) -> Iterator[Sandbox]:
    """Serve a world in made-up time."""
    with Sandbox(cast("World", world), clock=time.server) as sandbox:
        sandbox.before_rows = time.step
        yield sandbox


def config_for(sandbox: Sandbox, zone: ZoneInfo, **more: Any) -> dict[str, Any]:
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "timezone": zone.key,
        **more,
    }


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
@examples(60, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.slow
# requests that the example before has left behind may still draw how long to wait
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_whatever_happens_every_row_up_to_the_last_completed_day_arrives(
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
    # days may pass within each answer: what was committed before is kept
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


@pytest.mark.parametrize(
    ("drift", "stamped"),
    # without Date there is only the machine's clock
    [(0, False), *((drift, True) for drift in (0, 300, -300, 86400 * 3, -86400 * 3))],
)
def test_an_answer_made_on_another_day_than_its_numbers_is_asked_for_again(
    drift: int, *, stamped: bool
) -> None:
    time = MadeUp(amsterdam(22, 23, 59, 59), timedelta(seconds=drift))
    world = FewRows(AMSTERDAM, seed=5)
    with serve(world, time) as sandbox:
        if not stamped:
            sandbox.fail("no-date")
        time.steps = [2.0]  # midnight passes between Date and the rows
        config = config_for(sandbox, AMSTERDAM, start_date="2026-11-14", max_concurrent_requests=1)
        output = run(config, catalog=EMAILS, time=time.of_tap())
    days = {row["id"].split("/")[0] for row in output.records("emails")}
    ids = [row["id"] for row in output.records("emails")]
    assert len(ids) == len(set(ids))
    # the run neither grew by the new day nor lost its last one
    assert set(ids) == world.ids(date(2026, 11, 14), date(2026, 11, 22), time.now)
    assert "2026-11-23" not in days
    assert bookmark_of(output.states[-1]) == amsterdam(23, 0)


def test_a_day_that_never_ends_its_change_is_an_error_and_nothing_is_emitted() -> None:
    time = MadeUp(amsterdam(22, 12))
    with serve(FewRows(AMSTERDAM), time) as sandbox:
        sandbox.before_rows = lambda _: time.pass_by(86400)
        config = config_for(sandbox, AMSTERDAM, start_date="2026-11-14", max_retries=1)
        output: list[Output] = []
        with pytest.raises(ClockError, match="server's day changed while it responded"):
            run(config, catalog=EMAILS, time=time.of_tap(), output=output)
    assert not output[0].records("emails")
    assert not output[0].states


def test_a_start_that_the_machine_takes_for_the_future_is_read() -> None:
    time = MadeUp(amsterdam(22, 12), timedelta(days=-5))
    world = FewRows(AMSTERDAM, seed=2)
    with serve(world, time) as sandbox:
        config = config_for(sandbox, AMSTERDAM, start_date="2026-11-19")
        output = run(config, catalog=EMAILS, time=time.of_tap())
        assert (sandbox.requests[0].start, sandbox.requests[0].stop) == (0, 0)
    ids = {row["id"] for row in output.records("emails")}
    assert ids == world.ids(date(2026, 11, 19), date(2026, 11, 22), time.now)


def test_a_start_in_the_server_s_future_reads_nothing_and_is_no_trouble() -> None:
    time = MadeUp(amsterdam(22, 12))
    with serve(FewRows(AMSTERDAM), time) as sandbox:
        config = config_for(sandbox, AMSTERDAM, start_date="2026-12-01")
        output = run(config, catalog=EMAILS, time=time.of_tap())
        assert [(each.start, each.stop) for each in sandbox.requests] == [(0, 0)]
    assert not output.records("emails")
    assert not output.states or bookmark_of(output.states[-1]) is None


@pytest.mark.parametrize("drift", [-40, 5])
@pytest.mark.parametrize("end", [None, 28])
def test_a_default_start_counts_from_the_servers_day(drift: int, end: int | None) -> None:
    time = MadeUp(amsterdam(22, 12), timedelta(days=drift))
    world, last = FewRows(AMSTERDAM, seed=2), days_ago(end or 0)
    with serve(world, time) as sandbox:
        config = config_for(sandbox, AMSTERDAM, end_date=last.isoformat() if end else None)
        output = run(config, catalog=EMAILS, time=time.of_tap())
    ids = [row["id"] for row in output.records("emails")]
    assert sorted(ids) == sorted(world.ids(days_ago(30), last, time.now))


# Bookmarks


@pytest.mark.parametrize(
    ("value", "first"),
    [
        ("2026-11-19", "2026-11-17"),
        ("2026-11-18T23:00:00+00:00", "2026-11-17"),
        ("2026-11-18T23:00:00Z", "2026-11-17"),
        ("2026-11-19T00:00:00+01:00", "2026-11-17"),
        ("2026-11-18T22:59:59Z", "2026-11-16"),
        ("2026-11-19T11:30:00.250000", "2026-11-17"),
        ("2026-11-18T15:00:00-08:00", "2026-11-17"),
    ],
)
def test_a_bookmark_that_somebody_wrote_is_understood(
    sandbox: Sandbox, config: dict[str, Any], value: str, first: str
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": value}}}
    output = run({**config, "lookback_days": 2}, catalog=EMAILS, state=state)
    rows = expected(sandbox.world, "emails", date.fromisoformat(first))
    assert ordered(output.records("emails")) == ordered(rows)


@pytest.mark.parametrize(
    ("bookmark", "said"),
    [
        ({"replication_key_value": "yesterday"}, "'yesterday', which is not a date"),
        ({"replication_key_value": 20261122}, "'20261122', which is not a date"),
        ({"replication_key_value": ""}, "which is not a date"),
        ({"replication_key_value": "2026-02-30"}, "which is not a date"),
        ({"replication_key_value": "2026-11-19", "replication_key": "id"}, "not 'timestamp'"),
        ({"timestamp": "2026-11-19"}, "It has 'timestamp', but no 'replication_key_value'"),
        ("2026-11-19", "must be an object"),
    ],
)
def test_a_bookmark_that_cannot_be_continued_from_is_refused_with_what_to_do(
    sandbox: Sandbox, config: dict[str, Any], command: Command, bookmark: object, said: str
) -> None:
    output = command(config, catalog=EMAILS, state={"bookmarks": {"emails": bookmark}})
    assert output.code == 1
    assert said in output.last_line
    assert any(advice in output.last_line for advice in (StateError.advice, "Give a state"))
    assert not sandbox.requests


def test_a_bookmark_in_the_server_s_future_is_warned_of_and_stays(
    config: dict[str, Any], command: Command
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": "2031-01-01"}}}
    output = command(config, catalog=EMAILS, state=state)
    assert output.code == 0
    assert not output.records("emails")
    assert output.bookmark("emails") == "2031-01-01"
    (line,) = output.warnings
    assert "'emails'" in line
    assert "2031-01-01" in line


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


def test_a_daily_run_makes_the_fewest_requests_that_there_can_be(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    config["lookback_days"] = 1
    yesterday = NOW - ONE_DAY
    sandbox.set_clock(yesterday, frozen=True)
    state = run(config, machine=lambda: yesterday).states[-1]
    sandbox.set_clock(NOW, frozen=True)
    for lookback, windows in ((0, 1), (1, 2)):
        sandbox.requests.clear()
        run({**config, "lookback_days": lookback}, state=state)
        for command in TABLES:
            made = [each for each in sandbox.requests if each.command == command]
            assert len(made) == (1 if command in WITHOUT_RANGE else windows)


# Slices


def test_disjoint_slices_give_exactly_the_rows_of_one_run(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    whole = run({**config, "start_date": days_ago(12).isoformat()})
    parts: dict[str, list[str]] = {stream: [] for stream in WINDOWED}
    for first, last in ((12, 9), (8, 8), (7, 3), (2, 0)):
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


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_days_of_another_zone_are_warned_of_with_the_hour_at_which_they_begin(
    config: dict[str, Any], command: Command, zone: str
) -> None:
    output = command({**config, "timezone": zone}, catalog=select("accountspecshourly"))
    begins = {"America/New_York": "18:00", "Asia/Kolkata": "04:30", "UTC": "23:00"}[zone]
    (line,) = output.warnings
    assert "set `timezone` to it" in line
    assert f"begin at {begins} in {zone} (23:00 UTC)" in line


def test_rows_that_say_nothing_about_days_leave_a_hint_about_their_offset(
    config: dict[str, Any], command: Command
) -> None:
    config["timezone"] = "UTC"
    output = command(config, catalog=select("emails", "conversations"))  # by day alone
    (line,) = output.warnings
    assert "UTC offset +01:00" in line
    assert "`timezone` (UTC)" in line


@pytest.mark.parametrize("now", [datetime(2026, 3, 30, 12), datetime(2026, 10, 26, 12)])  # noqa: DTZ001
def test_days_at_the_clock_change_are_whole_and_raise_no_warning(
    caplog: pytest.LogCaptureFixture, now: datetime
) -> None:
    now = now.replace(tzinfo=AMSTERDAM)
    world = World(rows_per_day=200)
    with Sandbox(world, clock=now, frozen=True) as sandbox:
        first = now.date() - timedelta(days=3)
        config = config_for(sandbox, AMSTERDAM, start_date=first.isoformat())
        output = run(config, catalog=select(*WINDOWED), machine=lambda: now)
    for stream in WINDOWED:
        rows = expected(world, stream, first, now.date(), now)
        assert ordered(output.records(stream)) == ordered(rows)
    assert not [line for line in caplog.messages if "timezone" in line]


# Errors in the middle


def test_an_error_of_a_window_fetched_ahead_surfaces_in_its_turn(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    sandbox.fail("text", "emails", start=4)
    output: list[Output] = []
    with pytest.raises(TapCobrowserError, match=r"window 2026-11-18\.\.2026-11-19"):
        run({**config, "max_concurrent_requests": 16}, catalog=EMAILS, output=output)
    rows = expected(sandbox.world, "emails", days_ago(8), days_ago(5))
    assert ordered(output[0].records("emails")) == ordered(rows)
    assert output[0].bookmark("emails") == midnight(days_ago(4), AMSTERDAM).isoformat()
