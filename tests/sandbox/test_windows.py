"""The windows of a run: each is requested, checked, and completed where rows may be missing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from sandbox import Readings, Sandbox, World
from tap_cobrowser.errors import NotCsvError, WrongDaysError
from tests.expected import NOW, TODAY, days_ago
from tests.extraction import days_before, extract, windows_of
from tests.made_up import MadeUp
from tests.worlds import Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from tests.extraction import Extracted

# Of `emails`, the id is the key.
STREAM = "emails"


@pytest.fixture(scope="module")
def _server() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(_server: Sandbox) -> Sandbox:
    """The same server for all tests here, as it is at first: seven rows a day."""
    _server.set_clock(NOW, frozen=True)
    _server.before_rows, _server.window_days, _server.latency = None, 31, 0
    _server.readings = Readings()
    _server.faults.clear()
    _server.requests.clear()
    has(_server, lambda _: 7)
    return _server


def has(sandbox: Sandbox, per_day: Callable[[date], int], *, only: str | None = None) -> None:
    """Let every command, or only one, have a number of rows a day."""

    def rows(command: str, day: date) -> int:
        return per_day(day) if only in {None, command} else 0

    sandbox.world = cast("World", Counted(rows))


def lost(found: Extracted, sandbox: Sandbox, first: date, last: date = TODAY) -> set[date]:
    """Return the days of STREAM of which rows are missing."""
    rows = sandbox.world.rows(STREAM, first, last, NOW)
    names = {row[1] for row in rows} - {name for (name,) in found.rows[STREAM]}
    return {days_ago((TODAY - TODAY.fromisoformat(str(name)[:10])).days) for name in names}


def requested(sandbox: Sandbox, command: str = STREAM) -> list[tuple[int | None, int | None]]:
    return [(each.start, each.stop) for each in sandbox.requests if each.command == command]


# Requests


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_window_is_requested_once_and_every_row_arrives_once(
    sandbox: Sandbox, size: int
) -> None:
    found = extract(sandbox, STREAM, "agentactivity", "hosts", first=days_before(9), size=size)
    rows = found.rows[STREAM]
    assert len(set(rows)) == len(rows) == 8 * 7 + 5  # today is not over
    assert not lost(found, sandbox, days_before(9))
    assert rows == sorted(rows)
    assert sorted(requested(sandbox), reverse=True) == [
        (min(begin, 8), max(begin - size + 1, 0)) for begin in range(8, -1, -size)
    ]
    assert (found.requests, found.checks) == (2 * -(-9 // size) + 1, 0)
    assert not found.words


def test_without_ranges_each_day_is_requested_alone(sandbox: Sandbox) -> None:
    found = extract(sandbox, STREAM, first=days_before(9), ranges=False)
    assert sorted(requested(sandbox)) == [(ago, ago) for ago in range(9)]
    assert not lost(found, sandbox, days_before(9))
    assert found.rows[STREAM] == sorted(found.rows[STREAM])
    assert not found.words


@pytest.mark.parametrize("most", [1, 3])
def test_the_server_has_as_many_requests_at_once_as_the_setting_says_and_never_more(
    sandbox: Sandbox, most: int
) -> None:
    sandbox.latency = 0.02
    extract(sandbox, STREAM, first=days_before(20), max_concurrent_requests=most)
    assert max(each.in_flight for each in sandbox.requests) == most


def test_a_wait_that_the_server_asks_for_is_kept_by_all_requests(sandbox: Sandbox) -> None:
    time = MadeUp(NOW)
    sandbox.set_clock(time.server)
    sandbox.latency = 0.02  # so that others are in flight
    sandbox.fail("retry-after-date", STREAM, times=1)
    found = extract(sandbox, STREAM, first=days_before(30), time=time, max_concurrent_requests=3)
    assert not lost(found, sandbox, days_before(30))
    begun = [each.at - NOW for each in sandbox.requests]
    early = sum(moment < timedelta(seconds=2) for moment in begun)
    assert 1 <= early <= 2 * 3
    assert max(begun) >= timedelta(seconds=2)


def test_an_error_surfaces_in_its_turn_and_ends_only_its_command(sandbox: Sandbox) -> None:
    sandbox.fail("text", STREAM, start=4)
    found = extract(
        sandbox, STREAM, "agentactivity", first=days_before(9), max_concurrent_requests=16
    )
    assert isinstance(found.errors[STREAM], NotCsvError)
    assert f"window {days_ago(4)}..{days_ago(3)}" in found.words
    assert lost(found, sandbox, days_before(9)) == {days_ago(ago) for ago in range(5)}
    assert len(found.rows["agentactivity"]) == 8 * 7 + 5


# Days


def test_rows_of_other_days_are_an_error_that_names_the_window(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(range="ignored")
    found = extract(sandbox, STREAM, first=days_before(9))
    assert isinstance(found.errors[STREAM], WrongDaysError)
    assert found.words.startswith(f"Stream '{STREAM}', window {days_ago(8)}..{days_ago(7)}: ")
    assert f"but 5 of {TODAY}" in found.words
    assert not found.rows[STREAM]


def test_rows_of_neighbouring_days_are_emitted_with_a_warning(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(day_zone="America/New_York")
    found = extract(sandbox, STREAM, first=days_before(9), last=days_ago(1))
    assert found.kinds == [(STREAM, "days")]
    assert "another midnight than those of `timezone`" in found.words
    # all but the first hours of the first day
    assert lost(found, sandbox, days_before(9), days_ago(1)) == {days_ago(8)}


@pytest.mark.parametrize("stamp_zone", ["UTC", "Asia/Kolkata"])
def test_utc_offsets_are_no_evidence_about_days(sandbox: Sandbox, stamp_zone: str) -> None:
    sandbox.readings = Readings(stamp_zone=stamp_zone)
    found = extract(sandbox, STREAM, first=days_before(9))
    assert not lost(found, sandbox, days_before(9))
    assert not found.words


# Row limits


@pytest.mark.parametrize(("limit", "per_day"), [(100, 60), (500, 251), (101, 99), (1000, 900)])
def test_a_limit_of_rows_is_found_by_its_round_number_before_a_row_is_lost(
    sandbox: Sandbox, limit: int, per_day: int
) -> None:
    has(sandbox, lambda _: per_day)
    sandbox.readings = Readings(row_limit=limit)
    found = extract(sandbox, STREAM, first=days_ago(9), last=days_ago(2), max_concurrent_requests=1)
    assert not lost(found, sandbox, days_ago(9), days_ago(2))
    assert found.kinds == [(STREAM, "limit")]
    assert f"the server returns at most {limit} rows" in found.words
    # the window twice, its days, and then days alone; one window was already under way
    assert found.requests <= 2 + 2 + 2 + 6


def test_a_limit_of_50_rows_is_found_when_the_number_comes_for_the_third_time(
    sandbox: Sandbox,
) -> None:
    has(sandbox, lambda _: 40)
    sandbox.readings = Readings(row_limit=50)
    found = extract(sandbox, STREAM, first=days_ago(16), last=days_ago(1))
    assert found.kinds == [(STREAM, "limit")]
    first, second, *_ = windows_of(days_ago(16), days_ago(1))
    assert f"{first}, {second} had 50 rows as well and may lack rows" in found.words
    assert lost(found, sandbox, days_ago(16), days_ago(1)) == {first.last, second.last}


def test_a_limit_that_one_stream_shows_holds_for_the_others(sandbox: Sandbox) -> None:
    has(sandbox, lambda _: 60)
    sandbox.readings = Readings(row_limit=100)
    extract(
        sandbox,
        STREAM,
        "agentactivity",
        first=days_ago(9),
        last=days_ago(2),
        max_concurrent_requests=1,
    )
    made = requested(sandbox, "agentactivity")
    # no window of several days but those that were under way
    assert sum(start != stop for start, stop in made) <= 1
    assert {(ago, ago) for ago in range(2, 10)} <= set(made)


def test_a_round_number_by_chance_costs_the_days_once_and_is_no_warning(sandbox: Sandbox) -> None:
    has(sandbox, lambda _: 50)
    found = extract(sandbox, STREAM, first=days_ago(20), last=days_ago(1))
    assert not lost(found, sandbox, days_ago(20), days_ago(1))
    assert (found.requests, found.checks) == (10 + 2, 2)
    assert len(found.rows[STREAM]) == 20 * 50
    assert not found.words


def test_a_number_that_a_response_exceeds_is_no_limit(sandbox: Sandbox) -> None:
    has(sandbox, lambda day: 51 if day == days_ago(10) else 50)
    found = extract(sandbox, STREAM, first=days_ago(10), last=days_ago(1))
    # 101 rows may be a limit of 100 and a header
    assert (found.requests, found.checks) == (5 + 2, 2)
    assert not found.words


def test_a_row_that_arrives_meanwhile_is_emitted_and_no_sign_of_a_limit(sandbox: Sandbox) -> None:
    made = sandbox.requests
    late = days_ago(3)
    has(sandbox, lambda day: 51 if len(made) >= 1 and day == late else 50)
    found = extract(sandbox, STREAM, first=days_ago(4), last=days_ago(3), max_concurrent_requests=1)
    assert len(set(found.rows[STREAM])) == 101
    assert not found.words


def test_a_day_that_is_not_over_is_no_sign_of_a_limit(sandbox: Sandbox) -> None:
    made = sandbox.requests
    has(sandbox, lambda day: (0 if not made else 30) if day == TODAY else 100)
    found = extract(sandbox, STREAM, first=days_ago(1), max_concurrent_requests=1)
    assert not lost(found, sandbox, days_ago(1))
    assert "limit" not in dict(found.kinds).values()


def test_single_days_at_a_limit_that_was_found_are_a_warning_that_names_them(
    sandbox: Sandbox,
) -> None:
    has(sandbox, lambda day: 150 if day == days_ago(5) else 60)
    sandbox.readings = Readings(row_limit=100)
    found = extract(sandbox, STREAM, first=days_ago(9), last=days_ago(2))
    assert lost(found, sandbox, days_ago(9), days_ago(2)) == {days_ago(5)}
    assert (STREAM, "cut off") in found.kinds
    assert f"{days_ago(5)} had exactly 100 rows" in found.words


def test_single_days_with_a_multiple_of_ten_for_the_third_time_are_a_warning(
    sandbox: Sandbox,
) -> None:
    has(sandbox, lambda _: 80)
    sandbox.readings = Readings(row_limit=50)
    found = extract(sandbox, STREAM, first=days_ago(9), last=days_ago(2), size=1)
    assert found.kinds == [(STREAM, "cut off")]
    last = found.said[-1][1].text
    assert f"{days_ago(9)}, {days_ago(8)}, {days_ago(7)}" in last
    assert "had exactly 50 rows" in last


def test_a_full_table_at_a_limit_that_was_found_is_a_warning(sandbox: Sandbox) -> None:
    has(sandbox, lambda day: 60 if day < TODAY else 120)
    sandbox.readings = Readings(row_limit=100)
    found = extract(sandbox, "hosts", STREAM, first=days_ago(9), last=days_ago(2))
    assert ("hosts", "cut off") in found.kinds
    assert "The full table had exactly 100 rows" in found.words


def test_equal_numbers_of_hourly_rows_are_no_limit(sandbox: Sandbox) -> None:
    has(sandbox, lambda _: 240)
    found = extract(sandbox, "accountspecshourly", first=days_ago(20), last=days_ago(1))
    assert (found.requests, found.checks) == (10, 0)
    assert not found.words


# Ranges


@pytest.mark.parametrize(
    ("reading", "end"), [("end=excluded", "newest"), ("range=last_day", "oldest")]
)
def test_a_stream_whose_ranges_lack_an_end_is_noticed_after_eight_windows(
    sandbox: Sandbox, reading: str, end: str
) -> None:
    name, value = reading.split("=")
    sandbox.readings = Readings(for_command={STREAM: {name: value}})
    found = extract(sandbox, STREAM, "agentactivity", first=days_ago(24), last=days_ago(1))
    assert found.kinds == [(STREAM, "ranges")]
    assert f"rows of its {end} day" in found.words
    assert "Read the days before again with `window_days` 1" in found.words
    windows = windows_of(days_ago(24), days_ago(1))
    at = -1 if end == "newest" else 0
    assert lost(found, sandbox, days_ago(24), days_ago(1)) == {
        window.days[at].first for window in windows[:7]
    }


def test_days_that_are_quiet_by_themselves_are_no_warning(sandbox: Sandbox) -> None:
    has(sandbox, lambda day: 7 * (day.toordinal() % 2))
    found = extract(sandbox, STREAM, first=days_ago(30), last=days_ago(1))
    assert not lost(found, sandbox, days_ago(30), days_ago(1))
    assert not found.words


# Keys, silence


@pytest.mark.parametrize("command", [STREAM, "hosts", "agentperformance"])
def test_keys_that_several_rows_share_are_a_warning_for_tables_too(
    sandbox: Sandbox, command: str
) -> None:
    sandbox.world, sandbox.readings = World(rows_per_day=30), Readings(colliding_keys=True)
    found = extract(sandbox, command, first=days_before(3))
    assert found.kinds == [(command, "keys")]
    assert "`table-key-properties` in the catalog" in found.words


@pytest.mark.parametrize(("count", "said"), [(13, False), (14, True)])
def test_two_weeks_without_any_row_are_a_warning_at_the_end(
    sandbox: Sandbox, count: int, *, said: bool
) -> None:
    sandbox.readings = Readings(silent="all")
    found = extract(sandbox, STREAM, "agentactivity", first=days_before(count), size=5)
    assert found.kinds == [("", "silence")] * said
    assert bool(found.words) == said


def test_one_row_in_one_stream_is_no_silence(sandbox: Sandbox) -> None:
    has(sandbox, lambda day: int(day == days_ago(3)), only=STREAM)
    assert not extract(sandbox, STREAM, "agentactivity", first=days_before(20)).words


def test_notices_come_with_the_window_that_they_are_about(sandbox: Sandbox) -> None:
    sandbox.readings = Readings(numbers="comma")
    sandbox.world = World(rows_per_day=30)
    found: Any = extract(sandbox, "conversations", first=days_before(9))
    assert found.kinds == [("conversations", found.said[0][1].kind)]
    assert "decimal comma" in found.words
