"""A stream whose windows never have rows of one of their ends is odd after eight of them."""

from __future__ import annotations

from datetime import date

from tap_cobrowser.checks.ranges import Ends, no_ranges_notice, odd_ranges_notice
from tap_cobrowser.days import ONE_DAY, DateWindow
from tests.expected import AMSTERDAM
from tests.tables import days, moment

DAY = date(2026, 11, 1)


def odd_days(*rows: tuple[int, ...], each: int = 2) -> list[DateWindow | None]:
    """Return what is odd about windows with rows on some of their days (from 0)."""
    ends, found = Ends(), []
    for number, of_days in enumerate(rows):
        window = days(DAY + number * each * ONE_DAY, each)
        moments = [moment(window.first + day * ONE_DAY) for day in of_days]
        found.append(ends.count(moments, window, AMSTERDAM))
    return found


def test_an_end_without_rows_is_odd_from_the_eighth_window_on() -> None:
    oldest, newest = odd_days(*[(1,)] * 9), odd_days(*[(0,)] * 9)
    assert oldest == [None] * 7 + [days(DAY + 14 * ONE_DAY), days(DAY + 16 * ONE_DAY)]
    assert newest == [None] * 7 + [days(DAY + 15 * ONE_DAY), days(DAY + 17 * ONE_DAY)]


def test_one_row_at_either_end_is_enough() -> None:
    assert odd_days((0,), *[(1,)] * 9) == [None] * 10
    assert odd_days((0, 1), *[()] * 9) == [None] * 10


def test_windows_without_rows_do_not_count() -> None:
    assert odd_days(*[(), (0,)] * 7) == [None] * 14


def test_rows_of_the_days_between_are_of_neither_end() -> None:
    assert odd_days(*[(1,)] * 8, each=3)[-1] == days(DAY + 23 * ONE_DAY)


def test_both_warnings_say_what_was_seen_what_the_tap_does_and_what_to_ask() -> None:
    window = days(DAY, 2)
    for said in (
        no_ranges_notice(window, "lacks rows").text,
        odd_ranges_notice(window, window.days[0]).text,
        odd_ranges_notice(window, window.days[1]).text,
    ):
        assert "one day at a time" in said
        assert "`window_days`" in said
        assert "ask CoBrowser.net" in said
    assert f"the response to {window} lacks rows" in no_ranges_notice(window, "lacks rows").text
    assert "no window so far has" not in said
    assert "newest day" in said
