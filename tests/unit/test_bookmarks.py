"""Bookmarks as pure functions: which days a run reads, and how a window changes the state."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.bookmarks import (
    Bookmark,
    advance,
    first_day,
    last_day,
    look_back,
    read,
    write,
)
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import StateError

KEY = "startDateTime"
ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Amsterdam",
        "America/Havana",  # changes its clock at midnight
        "Australia/Lord_Howe",  # by half an hour
        "Pacific/Pago_Pago",  # -11
        "Pacific/Kiritimati",  # +14
        "UTC",
    )
]
# Kiritimati skipped the first day of 1995.
DAYS = st.dates(date(1996, 1, 1), date(2060, 12, 31))
BOOKMARKS = st.builds(Bookmark, DAYS, st.none() | DAYS)
WINDOWS = st.builds(
    lambda first, days: DateWindow(first, first + timedelta(days=days - 1)),
    DAYS,
    st.integers(1, 31),
)
LOOK_BACKS = st.integers(0, 400)


def found(state: dict[str, Any], zone: ZoneInfo = ZONES[0]) -> Bookmark | None:
    return read(state, stream="calls", replication_key=KEY, zone=zone)


# Reading and writing


@given(bookmark=BOOKMARKS, zone=st.sampled_from(ZONES))
def test_what_is_written_is_read_again(bookmark: Bookmark, zone: ZoneInfo) -> None:
    assert found(write(bookmark, replication_key=KEY, zone=zone), zone) == bookmark


@given(bookmark=BOOKMARKS, zone=st.sampled_from(ZONES))
def test_values_are_midnights_in_utc_under_the_keys_of_the_sdk(
    bookmark: Bookmark, zone: ZoneInfo
) -> None:
    state = write(bookmark, replication_key=KEY, zone=zone)
    assert state.pop("replication_key") == KEY
    value = datetime.fromisoformat(state.pop("replication_key_value"))
    assert value.utcoffset() == timedelta(0)
    assert value.astimezone(zone).date() == bookmark.day
    assert state.keys() == ({"lookback_from"} if bookmark.lookback_from else set())


@given(
    day=DAYS,
    minute=st.integers(0, 24 * 60 - 1),
    offset=st.integers(-14 * 60, 14 * 60),
    zone=st.sampled_from(ZONES),
    mark=st.sampled_from("T "),
)
def test_a_value_set_by_hand_is_the_day_that_contains_it_in_the_zone(
    day: date, minute: int, offset: int, zone: ZoneInfo, mark: str
) -> None:
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60)  # noqa: DTZ001  # no offset is the case
    instant = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
    utc = local.replace(tzinfo=timezone.utc)
    forms = {
        day.isoformat(): day,
        local.isoformat(mark): day,
        instant.isoformat(mark): instant.astimezone(zone).date(),
        utc.isoformat(mark).replace("+00:00", "Z"): utc.astimezone(zone).date(),
    }
    for text, wanted in forms.items():
        assert found({"replication_key_value": text}, zone) == Bookmark(wanted), text


@pytest.mark.parametrize("state", [{}, {"replication_key": KEY}, {"replication_key_value": None}])
def test_a_state_without_a_value_is_no_bookmark(state: dict[str, Any]) -> None:
    assert found(state) is None


@pytest.mark.parametrize("name", ["replication_key_value", "lookback_from"])
@pytest.mark.parametrize(
    "value", ["yesterday", "2026-02-30", "31-01-2026", "2026-01-31T25:00", 1767222000, ["2026"]]
)
def test_a_value_that_is_no_date_is_an_error_that_names_it(name: str, value: object) -> None:
    state = {"replication_key": KEY, "replication_key_value": "2026-01-31", name: value}
    with pytest.raises(StateError) as raised:
        found(state)
    line = str(raised.value)
    assert "State of stream 'calls'" in line
    assert f"'{name}'" in line
    assert StateError.advice in line


def test_a_bookmark_of_another_replication_key_is_an_error() -> None:
    with pytest.raises(StateError, match=f"'endDateTime'.*, not of '{KEY}'"):
        found({"replication_key": "endDateTime", "replication_key_value": "2026-01-31"})


def test_a_misspelled_value_is_not_taken_for_a_first_run() -> None:
    with pytest.raises(StateError, match="'replication_value'"):
        found({"replication_key": KEY, "replication_value": "2026-01-31"})


# Moving


@given(
    bookmark=st.none() | BOOKMARKS, window=st.none() | WINDOWS, today=DAYS, took=st.integers(0, 3)
)
def test_a_bookmark_never_moves_back_and_a_window_never_moves_it_past_today(
    bookmark: Bookmark | None, window: DateWindow | None, today: date, took: int
) -> None:
    moved = advance(bookmark, window, today=today, run_day=today - timedelta(days=took))
    reached = min(today, window.last + ONE_DAY) if window else today
    if bookmark:
        assert moved.day >= bookmark.day
    assert moved.day in ({bookmark.day, reached} if bookmark else {reached})
    assert moved.day <= max(today, bookmark.day if bookmark else today)


@given(window=WINDOWS, today=DAYS, took=st.integers(0, 3))
def test_only_a_run_over_midnight_sets_where_the_look_back_counts_from(
    window: DateWindow, today: date, took: int
) -> None:
    run_day = today - timedelta(days=took)
    assert advance(None, window, today=today, run_day=run_day).lookback_from == (
        run_day if took else None
    )
    assert advance(None, None, today=today, run_day=run_day).lookback_from is None


@given(
    first=DAYS,
    length=st.integers(1, 60),
    size=st.integers(1, 31),
    days=LOOK_BACKS,
    midnight_at=st.integers(0, 60),
)
def test_the_next_run_reads_again_what_could_change_since_this_run_began(
    first: date, length: int, size: int, days: int, midnight_at: int
) -> None:
    run_day = first + timedelta(days=length - 1)
    bookmark, day, number = None, first, 0
    while day <= run_day:
        window = DateWindow(day, min(day + timedelta(days=size - 1), run_day))
        today = run_day + ONE_DAY * (number >= midnight_at)
        bookmark = advance(bookmark, window, today=today, run_day=run_day)
        assert bookmark.day <= today
        # Whenever the run ends, the next one leaves no gap and keeps the whole look-back.
        again = first_day(bookmark, start=None, lookback_days=days, run_day=today)
        assert again <= min(bookmark.day, window.last + ONE_DAY, run_day) - timedelta(days=days)
        day, number = window.last + ONE_DAY, number + 1


# Which days a run reads


@given(bookmark=BOOKMARKS, days=LOOK_BACKS)
def test_the_look_back_counts_from_the_earlier_of_the_two_days(
    bookmark: Bookmark, days: int
) -> None:
    earlier = min(bookmark.day, bookmark.lookback_from or bookmark.day)
    assert look_back(bookmark, days) == earlier - timedelta(days=days)


@given(day=st.dates(date(2, 1, 1)), days=st.integers(0, 10**9))
def test_no_look_back_leaves_the_calendar(day: date, days: int) -> None:
    first = look_back(Bookmark(day), days)
    assert first <= day
    for zone in ZONES:
        midnight(first, zone)


@given(bookmark=st.none() | BOOKMARKS, start=st.none() | DAYS, days=LOOK_BACKS, run_day=DAYS)
def test_a_run_begins_at_the_look_back_but_never_before_the_start(
    bookmark: Bookmark | None, start: date | None, days: int, run_day: date
) -> None:
    first = first_day(bookmark, start=start, lookback_days=days, run_day=run_day)
    if start:
        assert first >= start
    if bookmark:
        again = look_back(bookmark, days)
        assert first == (max(start, again) if start else again)
    else:
        assert first == (start or run_day - timedelta(days=30))


@given(end=st.none() | DAYS, run_day=DAYS)
def test_a_run_ends_with_the_day_it_began_or_before(end: date | None, run_day: date) -> None:
    last = last_day(end=end, run_day=run_day)
    assert last <= run_day
    assert last in {end, run_day}
    assert end is None or last <= end
