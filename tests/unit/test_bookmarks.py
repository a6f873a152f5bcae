"""Bookmarks: which days a run reads, and how a finished window changes the state."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser import bookmarks
from tap_cobrowser.bookmarks import Bookmark
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import StateError

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAYS = st.dates(date(1995, 1, 1), date(2060, 12, 31))
BOOKMARKS = st.builds(Bookmark, DAYS, st.none() | DAYS)
WINDOWS = st.builds(
    lambda first, length: DateWindow(first, first + timedelta(days=length)),
    DAYS,
    st.integers(0, 30),
)


def read(**state: object) -> Bookmark | None:
    return bookmarks.read(state, stream="emails", replication_key="timestamp", zone=AMSTERDAM)


@given(
    bookmark=st.none() | BOOKMARKS,
    window=st.none() | WINDOWS,
    today=DAYS,
    nights=st.integers(0, 3),
)
def test_a_bookmark_never_moves_back_nor_past_the_server_s_today(
    bookmark: Bookmark | None, window: DateWindow | None, today: date, nights: int
) -> None:
    run_day = today - timedelta(days=nights)
    after = bookmarks.advance(bookmark, window, today=today, run_day=run_day)
    assert bookmark is None or after.day >= bookmark.day
    assert after.day <= max(today, bookmark.day if bookmark else today)
    if window:
        assert after.day <= max(window.last + ONE_DAY, bookmark.day if bookmark else date.min)
    # a run over midnight looks back from the day on which it began
    assert after.lookback_from == (run_day if window and nights else None)


@given(bookmark=BOOKMARKS, zone=st.sampled_from(["Europe/Amsterdam", "UTC", "Pacific/Auckland"]))
def test_what_is_written_is_read_back(bookmark: Bookmark, zone: str) -> None:
    state = bookmarks.write(bookmark, replication_key="timestamp", zone=ZoneInfo(zone))
    found = bookmarks.read(state, stream="emails", replication_key="timestamp", zone=ZoneInfo(zone))
    assert found == bookmark


@given(bookmark=BOOKMARKS, lookback=st.integers(0, 10**6), start=st.none() | DAYS, run_day=DAYS)
def test_a_run_begins_so_many_days_before_the_bookmark_but_never_before_the_start(
    bookmark: Bookmark, lookback: int, start: date | None, run_day: date
) -> None:
    first = bookmarks.first_day(bookmark, start=start, lookback_days=lookback, run_day=run_day)
    earliest = min(bookmark.day, bookmark.lookback_from or bookmark.day)
    assert start is None or first >= start
    if start is None and lookback < 10_000:
        assert first == earliest - timedelta(days=lookback)


@given(start=st.none() | DAYS, end=st.none() | DAYS, run_day=DAYS)
def test_without_a_bookmark_the_settings_decide(
    start: date | None, end: date | None, run_day: date
) -> None:
    first = bookmarks.first_day(None, start=start, lookback_days=3, run_day=run_day)
    assert first == (start or run_day - timedelta(days=30))
    assert bookmarks.last_day(end=end, run_day=run_day) == min(end or run_day, run_day)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-11-19", 19),
        ("2026-11-18T23:00:00+00:00", 19),
        ("2026-11-18T22:59:59Z", 18),
        ("2026-11-18T15:00:00-08:00", 19),
        ("2026-11-19T11:30", 19),
    ],
)
def test_a_value_set_by_hand_is_the_day_that_contains_it(value: str, day: int) -> None:
    assert read(replication_key_value=value) == Bookmark(date(2026, 11, day))


@pytest.mark.parametrize(
    "state",
    [
        {"replication_key_value": "yesterday"},
        {"replication_key_value": 20261122},
        {"replication_key_value": "2026-11-19", "replication_key": "id"},
        {"replication_key_value": "2026-11-19", "lookback_from": "soon"},
        {"timestamp": "2026-11-19"},
    ],
)
def test_a_state_that_is_not_understood_is_an_error(state: dict[str, object]) -> None:
    with pytest.raises(StateError, match="State of stream 'emails'"):
        read(**state)


def test_no_state_is_no_bookmark() -> None:
    assert read() is None
    assert read(replication_key_value=None) is None
