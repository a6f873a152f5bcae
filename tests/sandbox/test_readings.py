"""Whatever a server makes of the API's page: every row arrives, or something is said."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, example, given
from hypothesis import strategies as st

from sandbox import Readings, Sandbox, World
from tap_cobrowser.days import ONE_DAY, midnight
from tests.expected import AMSTERDAM, NOW, STREAMS, TODAY, WINDOWED, days_ago, records_for
from tests.extraction import extract
from tests.made_up import MadeUp
from tests.outputs import run, select, warnings_of
from tests.strategies import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

WORLD = World(seed=6, rows_per_day=12)
BUSIER = World(rows_per_day=90)
STREAM = "emails"


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    """The same server for all tests here."""
    return served_by(shared, WORLD, Readings())


def served_by(sandbox: Sandbox, world: World, readings: Readings) -> Sandbox:
    sandbox.world, sandbox.readings, sandbox.before_rows = world, readings, None
    sandbox.set_clock(NOW, frozen=True)
    sandbox._cached.clear()
    sandbox.requests.clear()
    return sandbox


def served(
    world: World,
    stream: str,
    readings: dict[str, Any],
    first: date,
    last: date = TODAY,
    now: datetime = NOW,
) -> set[tuple[Any, ...]]:
    """Return the keys of all rows that a server would give that reads the page as we do."""
    own = {name: readings[name] for name in ("silent", "rows", "day_zone") if name in readings}
    return _served(world, stream, tuple(own.items()), first, last, now)


@lru_cache
def _served(
    world: World,
    stream: str,
    own: tuple[tuple[str, Any], ...],
    first: date,
    last: date,
    now: datetime,
) -> set[tuple[Any, ...]]:
    # Where days are cut elsewhere, the first day begins in the one before.
    ago = (now.date() - first).days + 2, (now.date() - last).days
    begin = midnight(first, AMSTERDAM).isoformat()
    records = records_for(stream, Readings(**dict(own)).pick(world, stream, ago, now))
    return {
        tuple(record[name] for name in STREAMS[stream].primary_keys)
        for record in records
        if record[STREAMS[stream].replication_key or ""] >= begin
    }


# What loses rows if it is taken for what the page says, and the kind of warning or words of error.
READINGS: dict[str, tuple[dict[str, Any], str]] = {
    "younger end first": ({"order": "stop_older"}, "Ranges of days do not work"),
    "last day excluded": ({"end": "excluded"}, "Ranges of days do not work"),
    "first day alone": ({"range": "first_day"}, "Ranges of days do not work"),
    "last day alone": ({"range": "last_day"}, "Ranges of days do not work"),
    "ranges rejected": ({"range": "rejected"}, "Ranges of days do not work"),
    "range ignored": ({"range": "ignored"}, "has no row of the days that were requested"),
    "responses of yesterday": ({"stale": "yesterday"}, "these days"),
    "limit of 100": ({"row_limit": 100}, "the server returns at most 100 rows"),
    "colliding keys": ({"colliding_keys": True}, "shared by rows that differ elsewhere"),
    "days of UTC": ({"day_zone": "UTC"}, "these days"),
    "days of New York": ({"day_zone": "America/New_York"}, "these days"),
}
RUNS = {"backfill": (14, 0), "daily run": (1, 0), "slice": (14, 6)}
DATA = {
    "busy": {},
    "silent days": {"silent": "odd"},
    "one row a day": {"rows": "one_a_day"},
    "midnight rows": {"rows": "midnight"},
}
# Yesterday's rows are those of today, all at the midnight with which yesterday ends. The backfill
# before it is an error.
NOT_TO_BE_SEEN = {("daily run", "range ignored", "midnight rows")}


# Which days are silent is of no matter to a slice, nor to a limit of rows.
CASES = [
    (days, reading, data)
    for days in RUNS
    for reading in READINGS
    for data in DATA
    if data == "busy" or (days != "slice" and "limit" not in reading)
]


@pytest.mark.parametrize(("days", "reading", "data"), CASES, ids=["-".join(case) for case in CASES])
def test_no_row_is_lost_in_silence(sandbox: Sandbox, days: str, reading: str, data: str) -> None:
    readings, said = READINGS[reading]
    first, last = (days_ago(ago) for ago in RUNS[days])
    stream = "conversations" if "limit" in reading else STREAM
    world = BUSIER if "limit" in reading else WORLD
    whole = served(world, stream, {**DATA[data], **readings}, first, last)
    assert whole or data != "busy"
    served_by(sandbox, world, Readings(**{**DATA[data], **readings}))
    found = extract(sandbox, stream, first=first, last=last, ranges=None)
    lost = whole - {*found.rows[stream]}
    if (days, reading, data) not in NOT_TO_BE_SEEN:
        assert not lost or found.words, f"{len(lost)} of {len(whole)} rows lost in silence"
    if data == "busy" and days != "daily run" and stream == STREAM and "days of" not in reading:
        assert said in found.words
    if said.startswith("Ranges"):
        assert not lost


# No false alarm


@pytest.mark.parametrize(
    ("data", "zone"),
    [
        *((data, "Europe/Amsterdam") for data in (*DATA, "office hours", "all silent")),
        *((data, "America/New_York") for data in ("midnight rows", "office hours")),
        *((data, "Asia/Kolkata") for data in ("busy", "one row a day")),
    ],
)
def test_a_server_that_reads_the_page_as_we_do_gets_no_warning(
    sandbox: Sandbox, data: str, zone: str
) -> None:
    more: dict[str, Any] = {
        "office hours": {"rows": "office_hours"},
        "all silent": {"silent": "all"},
    }
    now = NOW.replace(month=10, day=28)  # after a clock change
    served_by(sandbox, World(rows_per_day=15, timezone=zone), Readings(**(DATA | more)[data]))
    sandbox.set_clock(now, frozen=True)
    first = date(2026, 10, 19)
    found = extract(
        sandbox,
        *STREAMS,
        first=first,
        last=now.date(),
        ranges=None,
        time=MadeUp(now),
        timezone=zone,
    )
    assert found.words == ""
    if data in {"busy", "office hours"}:
        assert found.requests == len(WINDOWED) * 5 + len(STREAMS) - len(WINDOWED) + 3
        assert found.checks == 0


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC", "America/New_York"])
def test_offsets_of_another_zone_than_that_of_the_days_are_no_warning(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture, zone: str, sandbox: Sandbox
) -> None:
    served_by(sandbox, WORLD, Readings(stamp_zone=zone))
    run({**config, "api_url": sandbox.url}, catalog=select("accountspecshourly", STREAM))
    assert warnings_of(caplog) == []


@pytest.mark.long
def test_half_a_year_of_all_streams_is_no_warning(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(rows_per_day=8)
    with Sandbox(world, clock=NOW, frozen=True) as sandbox:
        run({**config, "api_url": sandbox.url, "start_date": days_ago(183).isoformat()})
    assert warnings_of(caplog) == []


def test_the_warning_about_days_of_another_zone_names_timezone_past_midnight_too(
    sandbox: Sandbox,
) -> None:
    now = NOW.replace(hour=0, minute=30)  # it is still yesterday in UTC
    served_by(sandbox, WORLD, Readings(stamp_zone="UTC"))
    sandbox.set_clock(now, frozen=True)
    found = extract(
        sandbox,
        "accountspecshourly",
        first=days_ago(9),
        last=days_ago(1),
        ranges=None,
        time=MadeUp(now),
        timezone="UTC",
    )
    assert "ask CoBrowser.net for the time zone of the account" in found.words


# At random


@given(
    readings=st.fixed_dictionaries(
        {},
        optional={
            "order": st.sampled_from(["start_older", "stop_older", "either"]),
            "end": st.sampled_from(["included", "excluded"]),
            "range": st.sampled_from(["used", "used", "ignored", "first_day", "last_day"]),
            "stale": st.sampled_from(["no", "yesterday", "cached"]),
            "row_limit": st.sampled_from([None, None, 100]),
            "day_zone": st.sampled_from([None, None, "UTC", "America/New_York", "Asia/Kolkata"]),
            "colliding_keys": st.booleans(),
        },
    ),
    quiet=st.sets(st.integers(0, 14)),
    rows=st.sampled_from(["all", "all", "office_hours", "one_a_day", "midnight"]),
    workers=st.integers(1, 4),
    at=st.none() | st.integers(0, 12),
)
@example(
    # the first server's day reaches into the second of the zone
    readings={"end": "excluded", "day_zone": "America/New_York"},
    quiet=set(),
    rows="all",
    workers=1,
    at=None,
)
@examples(25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_rows_that_are_lost_at_random_servers_are_not_lost_in_silence(
    shared: Sandbox,
    readings: dict[str, Any],
    quiet: set[int],
    rows: str,
    workers: int,
    at: int | None,
) -> None:
    # Between the midnight of the zone and that of the server nothing else shows how it counts.
    assume(at is None or not readings.get("day_zone"))
    # A minute after midnight, a server that ignores the range has no rows yet.
    assume(at is None or readings.get("range") != "ignored")
    # An empty response that a cache keeps over midnight looks like days without rows.
    assume(at is None or not quiet or readings.get("stale") != "cached")
    silent = ",".join(str(days_ago(day)) for day in sorted(quiet))
    own: dict[str, Any] = {"silent": silent, "rows": rows}
    # Before each response picks its rows, some of the last seconds of the day pass.
    time = MadeUp(NOW, steps=[] if at is None else [0.7] * 500)
    if at is not None:
        time.now = midnight(TODAY + ONE_DAY, AMSTERDAM) - timedelta(seconds=0.7 * at + 0.1)
    before = time.now - timedelta(seconds=10)  # when it is sure which day it is
    sandbox = served_by(shared, WORLD, Readings(**own, **readings))
    sandbox.set_clock(time.server)
    sandbox.before_rows = time.step
    whole = served(WORLD, STREAM, {**own, **readings}, days_ago(14), TODAY, before)
    found = extract(
        sandbox,
        STREAM,
        first=days_ago(14),
        last=TODAY + ONE_DAY,
        ranges=None,
        time=time,
        max_concurrent_requests=workers,
        max_retries=2,
    )
    assert not whole - {*found.rows[STREAM]} or found.words
