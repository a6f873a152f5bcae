"""The checks of responses, against made-up servers that read the API's page in their own ways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.audit import (
    Response,
    Subject,
    colliding_keys,
    disproves_offset,
    is_suspicious,
    outside,
)
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.repair import Repair
from tap_cobrowser.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZONES = ["Europe/Amsterdam", "America/New_York", "Asia/Kolkata"]
SUBJECT = Subject("emails", ("id",), "timestamp")
STATES = Subject("agentactivity", ("id",), "timestamp", reaches_back=True)
TODAY = date(2026, 11, 3)  # clocks went back nine days ago, or two
NOW = datetime(2026, 11, 3, 12, tzinfo=timezone.utc)

Row = tuple[str, str]


@dataclass
class Server:
    """A server with its own reading of the page."""

    rows: list[Row]
    zone: ZoneInfo = AMSTERDAM
    reading: str = "as we do"
    limit: int = 10**9
    asked: list[DateWindow] = field(default_factory=list)

    def __call__(self, window: DateWindow) -> Response:
        self.asked.append(window)
        first, last = window.first, window.last
        alone = first == last
        if self.reading == "exclusive end" and not alone:
            last -= ONE_DAY
        elif self.reading == "first day alone":
            last = first
        elif self.reading == "last day alone":
            first = last
        elif self.reading == "ignored":
            first = last = TODAY
        elif self.reading == "stale":
            first, last = first - ONE_DAY, last - ONE_DAY
        begin, end = (midnight(each, self.zone).isoformat() for each in (first, last + ONE_DAY))
        if self.reading == "younger end first" and not alone:
            begin = end
        rows = [row for row in self.rows if begin <= row[0] < end][: self.limit]
        columns = tuple(zip(*rows, strict=True)) if rows else ((), ())
        return Response(window, Table(("timestamp", "id"), columns), TODAY, NOW)


def rows_of(
    zone: ZoneInfo, days: int, per_day: int, *, quiet: Collection[int] = (), kind: str = "all"
) -> list[Row]:
    """Return rows of the last days, in order: a number per day, at times that depend on a kind."""
    random = Random(7)
    rows: list[Row] = []
    for ago in range(days + 6, -1, -1):
        if ago in quiet:
            continue
        begin = midnight(TODAY - ago * ONE_DAY, zone)
        length = midnight(TODAY - (ago - 1) * ONE_DAY, zone) - begin
        for number in range(per_day):
            share = random.random()
            if kind == "office hours":
                share = 0.4 + share * 0.3
            elif kind == "midnight":
                share = (0.0, 0.99999)[number % 2]
            moment = begin + timedelta(seconds=int(share * length.total_seconds()))
            rows.append((moment.isoformat(), f"{ago}-{number}"))
    return sorted(rows)


@dataclass
class Run:
    """The rows and warnings of a run over the last days."""

    rows: set[Row] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    extra: int = 0


def run(server: Server, zone: ZoneInfo, days: int, *, each: int = 2) -> Run:
    repair, done = Repair(zone), Run()
    first = TODAY - (days - 1) * ONE_DAY
    while first <= TODAY:
        window = DateWindow(first, min(first + (each - 1) * ONE_DAY, TODAY))
        first = window.last + ONE_DAY
        try:
            response = repair.fetch(SUBJECT, window, server)
        except WrongDaysError as error:
            done.said.append(str(error))
            return done
        done.rows |= {*zip(*response.table.columns, strict=True)}
        done.said += [warning.text for warning in response.warnings]
        done.kinds |= {warning.kind for warning in response.warnings}
        done.extra += response.extra
    return done


def wanted(rows: list[Row], zone: ZoneInfo, days: int) -> set[Row]:
    begin = midnight(TODAY - (days - 1) * ONE_DAY, zone).isoformat()
    end = midnight(TODAY + ONE_DAY, zone).isoformat()
    return {row for row in rows if begin <= row[0] < end}


@given(
    reading=st.sampled_from(
        ["younger end first", "exclusive end", "first day alone", "last day alone"]
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    quiet=st.sets(st.integers(0, 11)),
    per_day=st.integers(1, 60),
    kind=st.sampled_from(["all", "office hours", "midnight"]),
    days=st.integers(1, 12),
    each=st.integers(1, 4),
)
def test_ranges_that_do_not_work_cost_no_row(
    reading: str, zone: ZoneInfo, quiet: set[int], per_day: int, kind: str, days: int, each: int
) -> None:
    rows = rows_of(zone, days, per_day, quiet=quiet, kind=kind)
    done = run(Server(rows, zone, reading), zone, days, each=each)
    assert done.rows == wanted(rows, zone, days)
    assert done.kinds <= {"ranges", "limit"}


@given(
    reading=st.sampled_from(
        ["as we do", "younger end first", "exclusive end", "first day alone", "ignored"]
    ),
    server_zone=st.sampled_from([*ZONES, "UTC"]).map(ZoneInfo),
    quiet=st.sets(st.integers(0, 11)),
    per_day=st.integers(1, 60),
    kind=st.sampled_from(["all", "office hours"]),
    days=st.integers(1, 12),
)
def test_rows_lost_inside_the_run_mean_that_something_was_said(
    reading: str, server_zone: ZoneInfo, quiet: set[int], per_day: int, kind: str, days: int
) -> None:
    if reading == "ignored":
        quiet = quiet - {0, 1}  # where today has no rows, nothing tells it from a silent account
    rows = rows_of(AMSTERDAM, days, per_day, quiet=quiet, kind=kind)
    done = run(Server(rows, server_zone, reading), AMSTERDAM, days)
    begin = (midnight(TODAY - (days - 2) * ONE_DAY, AMSTERDAM)).isoformat()
    end = midnight(TODAY, AMSTERDAM).isoformat()  # shifted days cut the first one and the last
    lost = {row for row in wanted(rows, AMSTERDAM, days) - done.rows if begin <= row[0] < end}
    assert not lost or done.said


@given(
    zone=st.sampled_from([*ZONES, "America/Havana", "Australia/Lord_Howe"]).map(ZoneInfo),
    per_day=st.integers(2, 49),
    kind=st.sampled_from(["all", "office hours", "midnight"]),
    days=st.integers(1, 20),
)
def test_a_busy_server_that_reads_the_page_as_we_do_gets_no_warning_and_no_extra_request(
    zone: ZoneInfo, per_day: int, kind: str, days: int
) -> None:
    rows = rows_of(zone, days, per_day, kind=kind)
    done = run(Server(rows, zone), zone, days)
    assert done.rows == wanted(rows, zone, days)
    assert (done.said, done.extra) == ([], 0)


@given(quiet=st.sets(st.integers(0, 39)), per_day=st.integers(1, 260), each=st.integers(1, 3))
def test_silent_days_raise_no_alarm(quiet: set[int], per_day: int, each: int) -> None:
    if per_day % 100 == 0:  # every day has the same round number of rows: that is worth a warning
        per_day += 2
    rows = rows_of(AMSTERDAM, 40, per_day, quiet=quiet)
    done = run(Server(rows), AMSTERDAM, 40, each=each)
    assert done.rows == wanted(rows, AMSTERDAM, 40)
    assert done.said == []


def test_twenty_windows_of_which_half_are_silent_cost_ten_requests_at_most() -> None:
    for parity in (0, 1):
        quiet = {ago for ago in range(40) if ago // 2 % 2 == parity}
        rows = rows_of(AMSTERDAM, 40, 5, quiet=quiet)
        server = Server(rows)
        assert run(server, AMSTERDAM, 40).extra <= 10
        assert len(server.asked) <= 30


# Row limits


@pytest.mark.parametrize("limit", [100, 500, 1000])
@pytest.mark.parametrize("silent", ["none", "odd"])
def test_a_limit_of_rows_is_said(limit: int, silent: str) -> None:
    quiet = set(range(1, 14, 2)) if silent == "odd" else set()
    rows = rows_of(AMSTERDAM, 14, limit * 3 // 2, quiet=quiet)
    done = run(Server(rows, limit=limit), AMSTERDAM, 14)
    assert done.rows < wanted(rows, AMSTERDAM, 14)
    assert done.kinds & {"limit", "limit-of-day"}


def test_a_limit_that_days_do_not_reach_costs_no_row() -> None:
    rows = rows_of(AMSTERDAM, 14, 80)
    done = run(Server(rows, limit=100), AMSTERDAM, 14)
    assert done.rows == wanted(rows, AMSTERDAM, 14)
    assert done.kinds == {"limit"}


def test_a_day_with_all_the_rows_exonerates_no_number() -> None:
    # The first window has a silent day: its days add up to 100, cut off or not.
    rows = rows_of(AMSTERDAM, 4, 150, quiet={3})
    done = run(Server(rows, limit=100), AMSTERDAM, 4)
    assert done.kinds == {"limit", "limit-of-day"}


def test_the_same_number_is_checked_once() -> None:
    done = run(Server(rows_of(AMSTERDAM, 14, 50)), AMSTERDAM, 14)
    assert (done.said, done.extra) == ([], 2)


def test_a_response_with_more_rows_shows_that_a_number_is_no_limit() -> None:
    rows = rows_of(AMSTERDAM, 14, 50)
    more = (midnight(TODAY - 13 * ONE_DAY, AMSTERDAM) + timedelta(hours=9)).isoformat()
    rows = sorted([*rows, *((more, f"more-{number}") for number in range(5))])
    done = run(Server(rows), AMSTERDAM, 14)
    assert (done.said, done.extra) == ([], 0)


@pytest.mark.parametrize(
    ("rows", "suspicious"),
    [(0, False), (99, False), (100, True), (101, True), (150, False), (499, True), (1001, True)],
)
def test_round_numbers_are_suspicious(rows: int, suspicious: bool) -> None:
    assert is_suspicious(rows) is suspicious


# Days


@pytest.mark.parametrize("reading", ["ignored", "stale"])
def test_rows_of_other_days_are_said(reading: str) -> None:
    done = run(Server(rows_of(AMSTERDAM, 14, 30), reading=reading), AMSTERDAM, 14)
    assert done.said


def test_rows_before_the_window_are_right_where_states_reach_into_it() -> None:
    window = DateWindow(TODAY - ONE_DAY, TODAY)
    begin = midnight(window.first, AMSTERDAM)
    moments = [(begin - timedelta(hours=5)).isoformat(), (begin + ONE_DAY).isoformat()]
    assert outside(moments, window, AMSTERDAM, reaches_back=True) is None
    found = outside(moments, window, AMSTERDAM, reaches_back=False)
    assert found
    assert (found.before, found.after, found.earliest) == (1, 0, timedelta(hours=5))


@pytest.mark.parametrize(("reaches_back", "proof"), [(False, True), (True, False)])
def test_an_early_row_proves_the_days_unless_it_may_reach_into_them(
    reaches_back: bool,
    proof: bool,
) -> None:
    window = DateWindow(TODAY, TODAY)
    early = (midnight(TODAY, AMSTERDAM) + timedelta(minutes=30)).isoformat()
    stamp = datetime(2026, 11, 3, tzinfo=timezone.utc)
    found = disproves_offset([early], window, AMSTERDAM, stamp, reaches_back=reaches_back)
    assert found is proof


# Keys


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=20))
def test_keys_collide_where_rows_share_them_and_differ_elsewhere(
    rows: list[tuple[int, int]],
) -> None:
    columns = tuple(zip(*rows, strict=True)) if rows else ((), ())
    found = colliding_keys(Table(("id", "value"), columns), ("id",))
    values: dict[int, set[int]] = {}
    for key, value in rows:
        values.setdefault(key, set()).add(value)
    assert (found.keys if found else 0) == sum(len(each) > 1 for each in values.values())


@pytest.mark.parametrize("alone", [False, True])
def test_a_day_without_even_a_header_shows_in_what_it_is_a_part_of(*, alone: bool) -> None:
    day = TODAY - 2 * ONE_DAY
    server = Server(rows_of(AMSTERDAM, 4, 20, quiet={*range(20)} - {0, 3}))

    def ask(window: DateWindow) -> Response:
        response = server(window)
        blank = not response.table.columns[0] and window == DateWindow(day, day)
        return replace(response, table=Table(blank=True)) if blank else response

    first = day if alone else day - ONE_DAY
    response = Repair(AMSTERDAM).fetch(SUBJECT, DateWindow(first, day), ask)
    assert len(response.table) == 20 * (not alone)
    assert response.blank == DateWindow(day, day)
    later = Repair(AMSTERDAM).fetch(SUBJECT, DateWindow(TODAY - ONE_DAY, TODAY), ask)
    assert later.blank is None
