"""Rows that share their key and differ elsewhere are a warning."""

from __future__ import annotations

from datetime import date

from tap_cobrowser.checks.keys import keys_notice
from tap_cobrowser.models import Table
from tests.tables import EVENTS, HOURS, events, moment

NOON = moment(date(2026, 11, 15))


def test_rows_that_share_a_key_and_differ_are_a_warning_with_number_example_and_way_out() -> None:
    table = events(("1", NOON, "a"), ("2", NOON), ("1", NOON, "b"), ("3", NOON, "c"), ("3", NOON))
    notice = keys_notice(EVENTS, table)
    assert notice
    assert notice.text.startswith("2 keys are shared by rows that differ elsewhere")
    assert "the first by id '1'." in notice.text
    assert "(`id`)" in notice.text
    assert "`table-key-properties` in the catalog" in notice.text


def test_a_row_that_is_there_twice_as_it_is_is_no_shared_key() -> None:
    assert keys_notice(EVENTS, events(("1", NOON, "a"), ("1", NOON, "a"), ("2", NOON))) is None


def test_only_the_whole_key_counts() -> None:
    later = moment(date(2026, 11, 15), "13:00")
    table = Table(("account_id", "hourBegin_time"), (("1", "1"), (NOON, later)))
    assert keys_notice(HOURS, table) is None


def test_no_rows_and_a_key_that_is_not_there_are_no_shared_keys() -> None:
    assert keys_notice(EVENTS, events()) is None
    assert keys_notice(EVENTS, Table(("subject",), (("a", "a", "b"),))) is None


def test_a_long_key_is_shortened() -> None:
    notice = keys_notice(EVENTS, events(("x" * 500, NOON, "a"), ("x" * 500, NOON, "b")))
    assert notice
    assert "x" * 100 not in notice.text
