"""A run without a row, and a response that does not reach back, are warnings."""

from __future__ import annotations

from datetime import date

from tap_cobrowser.checks.silence import nothing_notice, reach_notice, silence_notice
from tests.tables import days

DAY = date(2026, 11, 1)


def test_fourteen_days_without_a_row_are_a_warning_and_thirteen_are_not() -> None:
    notice = silence_notice(days(DAY, 14))
    assert notice
    assert "from 2026-11-01 to 2026-11-14" in notice.text
    assert "ask CoBrowser.net" in notice.text
    assert silence_notice(days(DAY, 13)) is None


def test_a_response_that_begins_after_the_bookmark_is_a_warning_with_both() -> None:
    said = reach_notice("2026-11-20T10:00:00+00:00", "2026-11-18T23:00:00+00:00").text
    assert "2026-11-20T10:00:00+00:00" in said
    assert "2026-11-18T23:00:00+00:00" in said
    assert "rows in between may be missing" in said


def test_responses_that_had_nothing_are_one_warning_that_names_at_most_ten_of_them() -> None:
    said = nothing_notice([str(day) for day in days(DAY, 12).days]).text
    assert said.startswith("The response to 2026-11-01, 2026-11-02, ")
    assert "2026-11-10 and 2 more was empty, twice" in said
    assert "2026-11-11" not in said
    assert nothing_notice(["the full table"]).text.startswith("The response to the full table was")
