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


def test_the_machine_s_clock_is_a_guess_until_an_answer_tells_the_time() -> None:
    clock = ServerClock(AMSTERDAM, Time(lambda: NOON))
    assert (clock.today(), clock.run_day, clock.known) == (date(2026, 11, 22),) * 2 + (False,)
    clock.settle(NOON, NOON + timedelta(days=2))
    assert (clock.today(), clock.run_day, clock.known) == (date(2026, 11, 24),) * 2 + (True,)


def test_the_day_of_the_run_stays_when_the_server_s_day_changes() -> None:
    now = [NOON]
    clock = ServerClock(AMSTERDAM, Time(lambda: now[0]))
    clock.settle(NOON, NOON)
    now[0] += timedelta(hours=13)
    clock.settle(now[0], now[0])
    assert clock.today() == date(2026, 11, 23)
    assert clock.run_day == date(2026, 11, 22)


@pytest.mark.parametrize(
    ("stamped", "took", "days"),
    [
        # Amsterdam's midnight is 23:00 UTC in November
        ("22:59:50", 5, (22, 22)),
        ("22:59:50", 9, (22, 23)),  # 1 s of its own, since Date has no fractions
        ("22:59:50", 3600, (22, 23)),
        ("23:00:00", 3600, (23, 23)),
    ],
)
def test_rows_were_picked_between_date_and_what_the_answer_took_after_it(
    stamped: str, took: int, days: tuple[int, int]
) -> None:
    date_header = datetime.fromisoformat(f"2026-11-22T{stamped}+00:00")
    # whatever the machine's own clock says
    clock = ServerClock(AMSTERDAM, Time(lambda: NOON + timedelta(seconds=took)))
    begin, end = clock.settle(NOON, date_header)
    assert (begin.day, end.day) == days


def test_without_date_header_the_machine_s_clock_before_and_after_counts() -> None:
    before = datetime(2026, 11, 22, 22, 59, 59, tzinfo=timezone.utc)
    clock = ServerClock(AMSTERDAM, Time(lambda: before + timedelta(seconds=2)))
    assert clock.settle(before, None) == (date(2026, 11, 22), date(2026, 11, 23))
    assert clock.settle(before - timedelta(hours=1), None)[0] == date(2026, 11, 22)


@given(drift=st.timedeltas(timedelta(days=-40), timedelta(days=40)), after=st.integers(0, 86400))
def test_however_wrong_the_machine_s_clock_is_the_server_s_day_is_known(
    drift: timedelta, after: int
) -> None:
    server = [NOON]
    clock = ServerClock(AMSTERDAM, Time(lambda: server[0] + drift))
    clock.settle(server[0] + drift, server[0])
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
    pause = Pause(3600, made_up.time)
    for seconds in pauses:
        pause.hold(seconds)
    pause.wait()
    assert made_up.seconds == pytest.approx(max(pauses))


def test_requests_that_are_asked_for_the_same_pause_do_not_add_it_up() -> None:
    made_up = MadeUp()
    pause = Pause(3600, made_up.time)
    assert [pause.ask(1500) for _ in range(4)] == [1500] * 4
    pause.wait()
    assert made_up.seconds == 1500


def test_what_the_server_asks_for_is_bounded_over_the_whole_run() -> None:
    made_up = MadeUp()
    pause = Pause(3600, made_up.time)
    asked = []
    for _ in range(3):
        asked.append(pause.ask(1500))
        pause.wait()
    assert asked == [1500, 3000, 4500]
    assert made_up.seconds == 3000  # the third is none
