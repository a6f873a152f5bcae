"""Tables: their rows by number, and since a moment."""

from __future__ import annotations

from datetime import date

from tap_cobrowser.models import Table
from tests.tables import EVENTS, HOURS, events, moment

DAY = date(2026, 11, 15)


def test_rows_since_a_moment_include_those_at_it() -> None:
    times = ("09:59:59", "10:00:00", "10:00:01")
    table = events(*((name, moment(DAY, time)) for name, time in zip("abc", times, strict=True)))
    assert table.since("timestamp", moment(DAY, "10:00")).values("id") == ["b", "c"]
    assert len(table.since("timestamp", moment(DAY, "11:00"))) == 0


def test_the_first_rows_are_at_most_those_that_there_are() -> None:
    table = events(("1", moment(DAY)), ("2", moment(DAY)))
    assert [len(table.first(most)) for most in (0, 1, 2, 3)] == [0, 1, 2, 2]


def test_a_table_without_a_column_has_no_values_of_it() -> None:
    assert Table().values("id") == ()
    assert len(Table()) == 0
    assert events(("1", moment(DAY))).moments(HOURS) == ()
    assert events(("1", moment(DAY))).moments(EVENTS) == (moment(DAY),)


def test_the_parts_of_a_table_are_its_rows_in_order() -> None:
    table = Table(("id",), (["a", "b", "c", "d", "e"],))
    assert [part.values("id") for part in table.parts(2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [part.values("id") for part in table.parts(5)] == [["a", "b", "c", "d", "e"]]
    assert list(Table(("id",), ([],)).parts(2)) == []
