"""Bookmarks as pure functions: which days a run reads, and how a window changes the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import StateError
from tap_cobrowser.singer.bookmarks import (
    Bookmark,
    add_complete_from,
    after_window,
    earlier_days,
    first_day,
    last_day,
    look_back,
    put,
    read,
)
from tap_cobrowser.singer.paginator import WindowPaginator
from tests.strategies import examples

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


def written(bookmark: Bookmark, zone: ZoneInfo = ZONES[0]) -> dict[str, Any]:
    state: dict[str, Any] = {"lookback_from": "2026-01-01", "complete_from": "2026-01-01"}
    put(state, bookmark, replication_key=KEY, zone=zone)
    return state


# Reading and writing


@given(bookmark=BOOKMARKS, zone=st.sampled_from(ZONES))
def test_what_is_written_is_read_again(bookmark: Bookmark, zone: ZoneInfo) -> None:
    assert found(written(bookmark, zone), zone) == bookmark


@given(bookmark=BOOKMARKS, zone=st.sampled_from(ZONES))
def test_values_are_midnights_in_utc_under_the_keys_of_the_sdk(
    bookmark: Bookmark, zone: ZoneInfo
) -> None:
    state = written(bookmark, zone)
    assert state.pop("replication_key") == KEY
    value = datetime.fromisoformat(state.pop("replication_key_value"))
    assert value.utcoffset() == timedelta(0)
    assert value.astimezone(zone).date() == bookmark.day
    assert state.keys() == ({"complete_from"} if bookmark.complete_from else set())


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


@given(bookmark=BOOKMARKS, of_run=st.sampled_from(ZONES), zone=st.sampled_from(ZONES))
def test_in_another_zone_no_day_is_complete_of_which_only_a_part_was_read(
    bookmark: Bookmark, of_run: ZoneInfo, zone: ZoneInfo
) -> None:
    after = found(written(bookmark, of_run), zone)
    assert after
    assert midnight(after.day, zone) <= midnight(bookmark.day, of_run)
    if bookmark.complete_from:
        begin = midnight(bookmark.complete_from, of_run)
        assert after.complete_from
        assert midnight(after.complete_from - ONE_DAY, zone) < begin
        assert begin <= midnight(after.complete_from, zone)


@pytest.mark.parametrize("state", [{}, {"replication_key": KEY}, {"replication_key_value": None}])
def test_a_state_without_a_value_is_no_bookmark(state: dict[str, Any]) -> None:
    assert found(state) is None


@pytest.mark.parametrize("name", ["replication_key_value", "lookback_from", "complete_from"])
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
    with pytest.raises(StateError, match=f"'endDateTime'.*, not '{KEY}'"):
        found({"replication_key": "endDateTime", "replication_key_value": "2026-01-31"})


def test_a_misspelled_value_is_not_taken_for_a_first_run() -> None:
    with pytest.raises(StateError, match="'replication_value'"):
        found({"replication_key": KEY, "replication_value": "2026-01-31"})


# Moving


@given(bookmark=st.none() | BOOKMARKS, window=st.none() | WINDOWS, today=DAYS)
def test_a_bookmark_never_moves_back_and_a_window_never_moves_it_past_today(
    bookmark: Bookmark | None, window: DateWindow | None, today: date
) -> None:
    moved = after_window(bookmark, window, today=today)
    reached = min(today, window.last + ONE_DAY) if window else today
    if bookmark:
        assert moved.day >= bookmark.day
    assert moved.day in ({bookmark.day, reached} if bookmark else {reached})
    assert moved.day <= max(today, bookmark.day if bookmark else today)


@given(
    first=DAYS,
    length=st.integers(1, 60),
    size=st.integers(1, 31),
    days=LOOK_BACKS,
)
def test_the_next_run_leaves_no_gap_and_keeps_the_whole_look_back(
    first: date, length: int, size: int, days: int
) -> None:
    run_day = first + timedelta(days=length - 1)
    bookmark = None
    for window in windows_of(DateWindow(first, run_day), size):
        bookmark = after_window(bookmark, window, today=run_day)
        # Whenever the run ends
        again = first_day(bookmark, start=None, lookback_days=days, run_day=run_day + ONE_DAY)
        assert again <= min(window.last + ONE_DAY, run_day) - timedelta(days=days)


# Which days a run reads


@given(day=DAYS, began=st.none() | DAYS, days=LOOK_BACKS)
def test_the_look_back_of_an_old_state_counts_from_the_day_on_which_its_run_began(
    day: date, began: date | None, days: int
) -> None:
    state = {"replication_key_value": day.isoformat()}
    if began:
        state["lookback_from"] = began.isoformat()
    bookmark = found(state)
    assert bookmark
    # One day before the bookmark at most: what is older was left there when states were merged.
    earlier = day - ONE_DAY if began and began < day else day
    assert look_back(bookmark, days) == earlier - timedelta(days=days)
    moved = after_window(bookmark, DateWindow(day, day), today=day)
    assert "lookback_from" not in written(moved)


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


# Earlier days

DAY_ONE = date(2026, 1, 1)


def day(number: int) -> date:
    return DAY_ONE + timedelta(days=number)


def days_in(first: date, end: date) -> set[date]:
    """Return the days from the first to the last, `end` excluded."""
    return {first + timedelta(days=number) for number in range((end - first).days)}


@dataclass(frozen=True)
class Run:
    """A run: its settings in days after DAY_ONE, the days since the last one, and its end.

    A stop is the number of windows after which it is killed. A bookmark is set by hand before it.
    """

    start: int | None
    end: int | None = None
    later: int = 0
    lookback: int = 0
    size: int = 2
    stop: int | None = None
    by_hand: int | None = None


RUNS = st.builds(
    Run,
    start=st.none() | st.integers(0, 60),
    end=st.none() | st.none() | st.none() | st.integers(0, 70),
    later=st.integers(0, 6),
    lookback=st.integers(0, 8),
    size=st.sampled_from([1, 2, 2, 2, 5]),
    stop=st.none() | st.integers(0, 12),
    by_hand=st.none() | st.none() | st.none() | st.none() | st.integers(0, 60),
)


class History:
    """One stream over many runs, as the tap carries them out."""

    def __init__(self) -> None:
        self.today = day(50)
        self.state: dict[str, Any] = {}
        self.read: set[date] = set()
        """Days that were emitted, and that were over then."""

    @property
    def bookmark(self) -> Bookmark | None:
        return found(self.state)

    def days_of(self, run: Run) -> tuple[DateWindow, DateWindow | None]:
        start = None if run.start is None else day(run.start)
        end = None if run.end is None else day(run.end)
        daily = DateWindow(
            first_day(self.bookmark, start=start, lookback_days=run.lookback, run_day=self.today),
            last_day(end=end, run_day=self.today),
        )
        return daily, earlier_days(self.bookmark, daily, start=start)

    def carry_out(self, run: Run) -> tuple[list[DateWindow], list[DateWindow]]:
        """Return the windows of the daily work, and of the earlier days, that were emitted."""
        daily, earlier = self.days_of(run)
        done: tuple[list[DateWindow], list[DateWindow]] = ([], [])
        left = 10_000 if run.stop is None else run.stop
        for window in windows_of(daily, run.size):
            if not left:
                return done
            left -= 1
            if self.bookmark:
                start = None if run.start is None else day(run.start)
                add_complete_from(
                    self.state, self.bookmark, start=start, run_day=self.today, zone=ZONES[0]
                )
            moved = after_window(self.bookmark, window, today=self.today, since=daily.first)
            self.keep(window, moved)
            done[0].append(window)
        # What was planned before the daily work is what remains after it.
        assert self.days_of(run)[1] == earlier
        for window in reversed(windows_of(earlier, run.size)):
            if not left:
                return done
            left -= 1
            assert self.bookmark
            before = self.bookmark
            self.keep(window, after_window(before, window, today=self.today))
            assert self.bookmark.day == before.day
            done[1].append(window)
        return done

    def keep(self, window: DateWindow, moved: Bookmark) -> None:
        self.read |= days_in(window.first, window.last + ONE_DAY)
        self.read.discard(self.today)
        self.state = written(moved)


def windows_of(days: DateWindow | None, size: int) -> list[DateWindow]:
    return [*WindowPaginator(days.first, days.last, size).windows()] if days else []


@given(runs=st.lists(RUNS, min_size=1, max_size=8))
@examples(300)
def test_a_state_never_claims_a_day_that_was_not_read_and_a_whole_run_reads_all_from_its_start(
    runs: list[Run],
) -> None:
    history = History()
    for run in runs:
        history.today += timedelta(days=run.later)
        if run.by_hand is not None and (bookmark := history.bookmark):
            if day(run.by_hand) > bookmark.day:
                continue  # who says that days are done that are not, is believed
            history.state["replication_key_value"] = day(run.by_hand).isoformat()
        before, known = history.bookmark, set(history.read)
        claimed = days_in(before.begin, before.day) if before else set()
        daily, earlier = history.carry_out(run)
        after = history.bookmark
        # one interval, and all of it was read
        if after and after.complete_from:
            assert days_in(after.begin, after.day) <= history.read
        # the daily work is the days that it always was, and nothing is filled in before its end
        asked = [each for window in daily for each in days_in(window.first, window.last + ONE_DAY)]
        assert len(asked) == len(set(asked))
        # Of earlier days only those that no state claimed, in as few windows as there can be.
        filled = [
            each for window in earlier for each in days_in(window.first, window.last + ONE_DAY)
        ]
        assert len(filled) == len(set(filled))
        assert not set(filled) & (claimed | set(asked))
        assert all((w.last - w.first).days + 1 == run.size for w in earlier[1:])
        if run.start is not None:
            assert all(each >= day(run.start) for each in filled)
        if run.end is not None:
            assert all(each <= day(run.end) for each in (*asked, *filled))
        if run.stop is None and run.start is not None:
            last = history.today if run.end is None else min(history.today, day(run.end) + ONE_DAY)
            assert days_in(day(run.start), last) <= history.read, "a row would be lost"
        assert known <= history.read


@given(
    starts=st.lists(st.integers(0, 49), min_size=1, max_size=6),
    stops=st.lists(st.integers(1, 4), max_size=40),
)
def test_however_often_it_is_stopped_no_day_before_the_first_start_is_read_twice(
    starts: list[int], stops: list[int]
) -> None:
    history = History()
    history.carry_out(Run(start=50))
    filled: list[date] = []
    for start in starts:
        for stop in [*stops[:3], None]:
            _, earlier = history.carry_out(Run(start=start, stop=stop))
            filled += [
                each for window in earlier for each in days_in(window.first, window.last + ONE_DAY)
            ]
        stops = stops[3:]
    assert sorted(filled) == sorted(days_in(day(min(starts)), day(50)))


def test_a_state_without_that_day_counts_as_complete_from_the_start_that_meets_it_first() -> None:
    history = History()
    history.state = {"replication_key_value": day(48).isoformat()}
    assert history.carry_out(Run(start=10))[1] == []
    assert history.bookmark
    assert history.bookmark.complete_from == day(10)
    assert history.carry_out(Run(start=7))[1] == [
        DateWindow(day(9), day(9)),
        DateWindow(day(7), day(8)),
    ]


def test_days_behind_a_gap_are_complete_from_the_later_start_on() -> None:
    history = History()
    history.carry_out(Run(start=10, end=19))
    history.carry_out(Run(start=30))
    assert history.bookmark
    assert history.bookmark.complete_from == day(30)
    assert history.days_of(Run(start=10))[1] == DateWindow(day(10), day(29))


@pytest.mark.parametrize(("end", "begin"), [(9, 5), (8, 10)])
def test_a_slice_before_the_complete_days_joins_them_only_without_a_gap(
    end: int, begin: int
) -> None:
    history = History()
    history.carry_out(Run(start=10))
    _, earlier = history.carry_out(Run(start=5, end=end))
    assert earlier[0].last == day(end)
    assert earlier[-1].first == day(5)
    assert history.bookmark
    assert history.bookmark.begin == day(begin)


def test_without_a_start_nothing_is_filled_in() -> None:
    history = History()
    history.carry_out(Run(start=45))
    assert history.carry_out(Run(start=None))[1] == []
