"""Which numbers of rows may be a limit of the server, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tap_cobrowser.checks.limits import RowCounts, cut_off_notice, limit_notice
from tap_cobrowser.days import ONE_DAY, DateWindow
from tests.tables import EVENTS, HOURS, days

DAY = date(2026, 11, 1)


def suspicious(*numbers: int, hourly: bool = False) -> list[int]:
    """Return the numbers of rows that may be a limit, as windows with them come in."""
    counts, found, command = RowCounts(), [], HOURS if hourly else EVENTS
    for at, rows in enumerate(numbers):
        counts.add(rows, days(DAY + 2 * at * ONE_DAY, 2))
        if counts.is_suspicious(rows, command):
            found.append(rows)
    return found


def limit_of_days(*numbers: int, hourly: bool = False) -> int | None:
    """Return the number at which single days seem to be cut off."""
    counts = RowCounts()
    for at, rows in enumerate(numbers):
        counts.add(rows, days(DAY + at * ONE_DAY))
    return counts.limit_of_days(HOURS if hourly else EVENTS)


@pytest.mark.parametrize("rows", [100, 101, 500, 1000, 1001, 999, 1200, 65_000])
def test_a_round_number_of_rows_or_one_next_to_it_may_be_a_limit(rows: int) -> None:
    assert suspicious(rows) == [rows]
    assert suspicious(rows, hourly=True) == [rows]


@pytest.mark.parametrize("rows", [0, 1, 10, 50, 99, 102, 150, 960, 1002])
def test_any_other_number_may_not(rows: int) -> None:
    assert suspicious(rows) == []


def test_a_number_is_no_limit_if_a_response_had_more() -> None:
    assert suspicious(101, 100) == [101]
    assert suspicious(51, 50, 50, 50, 50) == []


def test_a_multiple_of_ten_may_be_a_limit_when_it_comes_for_the_third_time() -> None:
    assert suspicious(50, 50, 49, 50, 50) == [50, 50]
    assert suspicious(51, 51, 51, 51) == []


def test_numbers_of_hourly_rows_return_by_themselves() -> None:
    assert suspicious(*[240] * 5, hourly=True) == []
    assert limit_of_days(*[240] * 5, hourly=True) is None


def test_single_days_seem_to_be_cut_off_if_their_largest_number_came_three_times() -> None:
    assert limit_of_days(50, 49, 50, 20, 50) == 50
    assert limit_of_days(50, 50, 50, 51) is None
    assert limit_of_days(50, 50) is None
    assert limit_of_days(100, 99) is None
    assert limit_of_days(51, 51, 51) is None
    assert limit_of_days() is None


def test_days_of_a_regular_stream_often_have_the_same_number() -> None:
    counts = RowCounts()
    for at in range(5):
        counts.add(40, days(DAY + at * ONE_DAY))
    assert counts.limit_of_days(replace(EVENTS, regular=True)) is None


def test_a_number_that_was_shown_to_be_harmless_is_never_suspicious_again() -> None:
    counts = RowCounts(harmless={100})
    counts.add(100, days(DAY, 2))
    assert not counts.is_suspicious(100, EVENTS)
    for _ in range(3):
        counts.add(100, days(DAY))
    assert counts.limit_of_days(EVENTS) is None


def test_only_single_days_and_full_tables_are_beyond_proof() -> None:
    counts = RowCounts()
    for window in (days(DAY), days(DAY + ONE_DAY, 2), None):
        counts.add(100, window)
    assert counts.single_days(100) == [days(DAY), None]
    assert counts.single_days(200) == []


def test_a_limit_is_a_warning_that_names_it_and_the_windows_before() -> None:
    window, before = days(DAY, 2), [days(DAY - 10 * ONE_DAY, 2)]
    said = limit_notice(100, window, before).text
    assert f"The response to {window} has 100 rows" in said
    assert "the server returns at most 100 rows" in said
    assert f"{before[0]} had 100 rows as well and may lack rows" in said
    assert "Set `window_days` to 1" in said
    assert "may lack" not in limit_notice(100, window, []).text


def test_what_may_be_cut_off_is_a_warning_that_names_number_and_days() -> None:
    many = [days(DAY + number * timedelta(days=1)) for number in range(12)]
    said = cut_off_notice(50, many).text
    assert said.startswith(f"{DAY}, {DAY + ONE_DAY}, ")
    assert "and 2 more had exactly 50 rows" in said
    assert cut_off_notice(500, [None]).text.startswith("The full table had exactly 500 rows")


def test_a_named_window_reads_as_in_the_log() -> None:
    assert str(DateWindow(DAY, DAY + ONE_DAY)) in cut_off_notice(9, [days(DAY, 2)]).text
