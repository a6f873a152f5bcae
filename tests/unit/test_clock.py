"""The server's clock, and pauses."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.api.clock import Pause, ServerClock, Time

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 11, 22, 11, tzinfo=timezone.utc)


def test_the_machine_s_clock_counts_until_a_response_shows_the_server_s() -> None:
    clock = ServerClock(AMSTERDAM, Time(lambda: NOON))
    assert clock.today() == date(2026, 11, 22)
    clock.set_by_response(NOON, 0, NOON + timedelta(days=2))
    assert clock.today() == date(2026, 11, 24)


@pytest.mark.parametrize(
    ("stamped", "took", "days"),
    [
        # Amsterdam's midnight is 23:00 UTC in November
        ("22:59:50", 5, {22}),
        ("22:59:50", 9, {22, 23}),  # 1 s of its own, since Date has no fractions
        ("22:59:50", 3600, {22, 23}),
        ("23:00:00", 3600, {23}),
    ],
)
def test_rows_were_picked_between_date_and_what_the_response_took_after_it(
    stamped: str, took: int, days: set[int]
) -> None:
    date_header = datetime.fromisoformat(f"2026-11-22T{stamped}+00:00")
    # whatever this machine's clock says
    clock = ServerClock(AMSTERDAM, Time(lambda: NOON + timedelta(seconds=took)))
    assert {day.day for day in clock.set_by_response(NOON, took, date_header)} == days


def test_without_a_date_header_the_machine_s_clock_before_and_after_counts() -> None:
    before = datetime(2026, 11, 22, 22, 59, 59, tzinfo=timezone.utc)
    clock = ServerClock(AMSTERDAM, Time(lambda: before + timedelta(seconds=2)))
    assert clock.set_by_response(before, 2, None) == {date(2026, 11, 22), date(2026, 11, 23)}
    assert date(2026, 11, 22) in clock.set_by_response(before - timedelta(hours=1), 3602, None)


def test_without_a_date_header_the_server_s_clock_of_an_earlier_response_counts() -> None:
    clock = ServerClock(AMSTERDAM, Time(lambda: NOON))
    clock.set_by_response(NOON, 0, NOON + timedelta(days=2))
    assert clock.set_by_response(NOON, 0, None) == {date(2026, 11, 24)}


@pytest.mark.parametrize(("left", "waited"), [(0.5, 0.5), (2, 2), (2.5, 0), (86_399, 0)])
def test_only_a_midnight_that_is_near_is_waited_for(left: float, waited: float) -> None:
    midnight = datetime(2026, 11, 22, 23, tzinfo=timezone.utc)
    waits: list[float] = []
    time = Time(lambda: midnight - timedelta(seconds=left), sleep=waits.append)
    ServerClock(AMSTERDAM, time).wait_for_midnight()
    assert sum(waits) == pytest.approx(waited)


@given(drift=st.timedeltas(timedelta(days=-40), timedelta(days=40)), after=st.integers(0, 86400))
def test_however_wrong_the_machine_s_clock_is_the_server_s_day_is_known(
    drift: timedelta, after: int
) -> None:
    server = [NOON]
    clock = ServerClock(AMSTERDAM, Time(lambda: server[0] + drift))
    clock.set_by_response(server[0] + drift, 0, server[0])
    server[0] += timedelta(seconds=after)
    assert clock.today() == server[0].astimezone(AMSTERDAM).date()


class MadeUp:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.time = Time(monotonic=lambda: self.seconds, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_a_short_pause_never_ends_a_long_one(pauses: list[float]) -> None:
    made_up = MadeUp()
    pause = Pause(made_up.time)
    for seconds in pauses:
        pause.hold(seconds)
    pause.wait()
    assert made_up.seconds == pytest.approx(max(pauses))
