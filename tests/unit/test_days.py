"""Days, the windows made of them, and the server's clock."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.singer.paginator import WindowPaginator

ZONES = [
    "Europe/Amsterdam",
    "America/Havana",  # changes its clock at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # +13, and a day in 2011 that never was
    "Pacific/Pago_Pago",  # -11
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "UTC",
]
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))


def walk(first: date, last: date, days: int) -> list[DateWindow]:
    paginator = WindowPaginator(first, last, days)
    windows = []
    while not paginator.finished:
        windows.append(paginator.current_value)
        paginator.advance()
    return windows


@given(first=DAYS, length=st.integers(1, 400), days=st.integers(1, 31))
def test_windows_cover_all_days_oldest_first_without_gap_or_overlap(
    first: date, length: int, days: int
) -> None:
    last = first + timedelta(days=length - 1)
    windows = walk(first, last, days)
    covered = [
        window.first + timedelta(days=day)
        for window in windows
        for day in range((window.last - window.first).days + 1)
    ]
    assert covered == [first + timedelta(days=day) for day in range(length)]
    assert all(1 <= (window.last - window.first).days + 1 <= days for window in windows)
    assert len(windows) == -(-length // days)


def test_there_is_no_window_when_the_first_day_is_after_the_last() -> None:
    assert walk(date(2026, 1, 2), date(2026, 1, 1), 2) == []


@given(first=DAYS, today=DAYS, days=st.integers(1, 31))
def test_days_ago_tell_the_older_end_first_and_differ_by_less_than_the_window(
    first: date, today: date, days: int
) -> None:
    window = DateWindow(first, first + timedelta(days=days - 1))
    numbers = window.days_ago(today)
    assert numbers["start"] - numbers["stop"] == days - 1
    assert today - timedelta(days=numbers["start"]) == window.first
    assert today - timedelta(days=numbers["stop"]) == window.last


@pytest.mark.parametrize("name", ZONES)
@given(day=DAYS)
def test_midnight_is_where_one_day_ends_and_the_next_begins(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    begins = midnight(day, zone)
    before = (begins - timedelta(seconds=1)).astimezone(zone).date()
    at = begins.astimezone(zone).date()
    # Samoa went from 29 to 31 December 2011: the day between begins where the next one does
    skipped = name == "Pacific/Apia" and day == date(2011, 12, 30)
    assert before < day
    assert at == day or skipped


@pytest.mark.parametrize("name", ZONES)
def test_days_tile_the_year_over_both_clock_changes(name: str) -> None:
    zone = ZoneInfo(name)
    day, end = date(2025, 1, 1), date(2027, 1, 1)
    hours = set()
    while day < end:
        length = midnight(day + ONE_DAY, zone) - midnight(day, zone)
        hours.add(length / timedelta(hours=1))
        day += ONE_DAY
    assert hours <= {23, 23.5, 24, 24.5, 25}
