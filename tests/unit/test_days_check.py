"""Rows outside the requested days are an error or a warning; ranges lack rows, or do not."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.checks.days import begins_on, days_notice, rows_by_key
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.models import Command, Table
from tests.expected import AMSTERDAM
from tests.tables import EVENTS, HOURS, STATES, days, events, moment, response

DAY = date(2026, 11, 15)
WINDOW = DateWindow(DAY, DAY + ONE_DAY)


def said_of(*moments: str, command: Command = EVENTS, zone: ZoneInfo = AMSTERDAM) -> str:
    """Return the notice about a response to WINDOW with rows at these moments, "" for none."""
    table = events(*((str(number), each) for number, each in enumerate(moments)))
    notice = days_notice(command, response(WINDOW, table), zone)
    return notice.text if notice else ""


@given(
    zone=st.sampled_from(["Europe/Amsterdam", "America/Havana", "Australia/Lord_Howe"]),
    first=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    count=st.integers(1, 3),
    share=st.floats(0, 1),
    command=st.sampled_from([EVENTS, STATES]),
)
def test_rows_from_the_first_midnight_to_the_closing_one_are_inside(
    zone: str, first: date, count: int, share: float, command: Command
) -> None:
    window, of = days(first, count), ZoneInfo(zone)
    begin, end = midnight(window.first, of), midnight(window.last + ONE_DAY, of)
    at = begin + timedelta(seconds=int((end - begin).total_seconds() * share))
    table = events(("1", begin.isoformat()), ("2", at.isoformat()), ("3", end.isoformat()))
    assert days_notice(command, response(window, table), of) is None


def test_a_row_after_the_closing_midnight_is_a_warning_with_number_and_distance() -> None:
    rows = [moment(DAY), moment(DAY + 2 * ONE_DAY, "00:00:01"), moment(DAY + 2 * ONE_DAY, "03:05")]
    said = said_of(*rows)
    assert said.startswith(f"The response to {WINDOW} has 2 rows up to 3 h 05 min after")
    assert "set `timezone` to it" in said
    assert "Europe/Amsterdam" in said


def test_a_row_before_the_days_is_a_warning_unless_its_stream_may_reach_into_them() -> None:
    early = moment(DAY - ONE_DAY, "23:00")
    assert "1 row up to 1 h 00 min before" in said_of(early, moment(DAY))
    assert not said_of(early, moment(DAY), command=STATES)
    assert not said_of(early, command=STATES)


def test_rows_more_than_a_day_outside_do_not_suggest_another_time_zone() -> None:
    assert "timezone" not in said_of(moment(DAY - 3 * ONE_DAY), moment(DAY))


@pytest.mark.parametrize(("command", "ago"), [(EVENTS, 9), (EVENTS, -9), (STATES, -9)])
def test_a_response_whose_rows_are_all_of_other_days_is_an_error_with_both_days(
    command: Command, ago: int
) -> None:
    other = DAY - ago * ONE_DAY
    with pytest.raises(WrongDaysError, match=rf"2 of {other}\.\.{other + ONE_DAY}"):
        said_of(moment(other), moment(other + ONE_DAY), command=command)


def test_rows_more_than_a_day_outside_on_both_sides_are_of_other_days() -> None:
    with pytest.raises(WrongDaysError):
        said_of(moment(DAY - 9 * ONE_DAY), moment(DAY + 9 * ONE_DAY))


def test_states_that_all_began_long_before_are_not_rows_of_other_days() -> None:
    assert not said_of(moment(DAY - 30 * ONE_DAY), command=STATES)


@pytest.mark.parametrize("window", [WINDOW, None])
def test_nothing_is_said_without_rows_or_without_days(window: DateWindow | None) -> None:
    table = events(("1", moment(DAY))) if window is None else Table()
    assert days_notice(EVENTS, response(window, table), AMSTERDAM) is None


def test_a_row_begins_on_a_day_from_its_midnight_until_before_the_next() -> None:
    assert begins_on([moment(DAY, "00:00")], days(DAY), AMSTERDAM)
    assert begins_on([moment(DAY, "23:59:59")], days(DAY), AMSTERDAM)
    assert not begins_on([moment(DAY + ONE_DAY, "00:00")], days(DAY), AMSTERDAM)
    assert not begins_on([], days(DAY), AMSTERDAM)


def test_rows_are_identified_by_their_key_whatever_else_changes() -> None:
    whole = events(("1", moment(DAY), "as it was"), ("2", moment(DAY)))
    assert rows_by_key(EVENTS, whole) == rows_by_key(
        EVENTS, events(("2", moment(DAY)), ("1", moment(DAY), "changed"))
    )
    assert rows_by_key(EVENTS, whole) > rows_by_key(EVENTS, events(("1", moment(DAY))))
    assert rows_by_key(EVENTS, events()) == set()


def test_keys_of_equal_hash_are_not_the_same_key() -> None:
    names = ("account_id", "hourBegin_time")
    assert hash(-1) == hash(-2)
    tables = [Table(names, ((number, number), (moment(DAY),) * 2)) for number in (-1, -2)]
    assert len(rows_by_key(HOURS, tables[0]) | rows_by_key(HOURS, tables[1])) == 2
