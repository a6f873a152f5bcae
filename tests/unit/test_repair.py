"""The checks of responses, against made-up servers that read the API's page in their own ways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any
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
    join,
    outside,
)
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import WrongDaysError
from tap_cobrowser.repair import Repair
from tap_cobrowser.reading.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZONES = ["Europe/Amsterdam", "America/New_York", "Asia/Kolkata"]
SUBJECT = Subject("emails", ("id",), "timestamp")
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
class Changing:
    """A server that reads the page as we do, or as a function says, and whose rows may change."""

    rows: list[Any]
    """Of each row the beginning, the id, the end and another cell."""

    days: Callable[[DateWindow], DateWindow | None] = lambda window: window
    before: Callable[[Changing], None] = lambda _: None
    later: timedelta = timedelta(0)
    limit: int = 10**9
    names: tuple[str, ...] = ("timestamp", "id", "until", "value")
    asked: list[DateWindow] = field(default_factory=list)

    def __call__(self, window: DateWindow) -> Response:
        self.before(self)
        self.asked.append(window)
        days = self.days(window)
        rows: list[tuple[Any, ...]] = []
        if days:
            first, last = days.first, days.last + ONE_DAY
            begin, end = (
                (midnight(each, AMSTERDAM) + self.later).isoformat() for each in (first, last)
            )
            rows = [row for row in self.rows if row[0] < end and (row[2] or row[0]) >= begin]
        columns = tuple(zip(*rows[: self.limit], strict=True)) or ((),) * len(self.names)
        return Response(window, Table(self.names, columns), TODAY, NOW)


def at(ago: int, hours: float = 0) -> str:
    """Return a moment of a day so many days ago."""
    return (midnight(TODAY - ago * ONE_DAY, AMSTERDAM) + timedelta(hours=hours)).isoformat()


def window_of(*ago: int) -> DateWindow:
    return DateWindow(TODAY - ago[0] * ONE_DAY, TODAY - ago[-1] * ONE_DAY)


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


# States and sessions that last into the days that were requested

STATES = Subject("agentactivity", ("id",), "timestamp", reaches_back=True, ends="until")


def states(days: int) -> list[Any]:
    """Return states of one and of eight hours, of which some last over midnight."""
    return [
        (at(ago, hour), f"{ago}-{hour}", at(ago, hour + (8 if hour % 4 else 1)), 1)
        for ago in range(days, -1, -1)
        for hour in range(24)
    ]


@pytest.mark.parametrize("ends", ["until", None])
def test_a_row_that_lasts_into_the_last_day_is_no_proof_of_the_first(ends: str | None) -> None:
    subject = replace(STATES, ends=ends)
    server = Changing(states(9), lambda window: DateWindow(window.last, window.last))
    repair = Repair(AMSTERDAM)
    rows: set[object] = set()
    kinds: set[str] = set()
    for ago in (9, 7, 5, 3, 1):
        response = repair.fetch(subject, window_of(ago, ago - 1), server)
        rows |= {*response.table.columns[1]}
        kinds |= {warning.kind for warning in response.warnings}
    assert rows >= {row[1] for row in server.rows if row[0] >= at(9)}
    assert kinds == {"ranges"}


@pytest.mark.parametrize("ends", ["until", None])
def test_a_row_that_lasts_into_the_first_day_is_no_proof_either(ends: str | None) -> None:
    # The server's days begin at noon, and it excludes the last one.
    server = Changing(states(9), lambda w: DateWindow(w.first, max(w.first, w.last - ONE_DAY)))
    server.later = timedelta(hours=12)
    repair = Repair(AMSTERDAM)
    rows: set[object] = set()
    for ago in (9, 7, 5, 3, 1):
        response = repair.fetch(replace(STATES, ends=ends), window_of(ago, ago - 1), server)
        rows |= {*response.table.columns[1]}
    assert rows >= {row[1] for row in server.rows if at(9, 12) <= row[0] < at(0)}


def test_days_with_rows_of_their_own_prove_a_range_that_has_them_all() -> None:
    # No two rows are more than a day apart.
    rows = [(at(ago, 9 - ago / 9), f"{ago}", None, 1) for ago in range(39, -1, -1)]
    server, repair = Changing(rows[::-1]), Repair(AMSTERDAM)
    for ago in range(39, 0, -2):
        assert repair.fetch(SUBJECT, window_of(ago, ago - 1), server).warnings == ()
    assert len(server.asked) <= 26


@pytest.mark.parametrize(
    ("ends", "owner", "more"), [("until", None, 0), (None, "value", 0), (None, "id", 2)]
)
def test_states_that_ended_prove_ranges_without_a_request(
    ends: str | None, owner: str | None, more: int
) -> None:
    # The next state of the same owner ends one as well.
    server, repair = Changing(states(9)), Repair(AMSTERDAM)
    subject = replace(STATES, ends=ends, owner=owner)
    for ago in (9, 7, 5, 3, 1):
        response = repair.fetch(subject, window_of(ago, ago - 1), server)
        assert response.warnings == ()
    assert len(server.asked) == 5 + more


def test_a_day_that_lacks_rows_alone_is_said() -> None:
    # Responses of the day before: rows before the window alone would be no reason for a warning.
    subject = replace(STATES, ends=None)
    for rows in (
        states(9),
        [(at(ago, 9), f"{ago}-{n}", None, 1) for ago in (4, 3) for n in range(50)],
    ):
        server = Changing(rows, lambda w: DateWindow(w.first - ONE_DAY, w.last - ONE_DAY))
        (warning,) = Repair(AMSTERDAM).fetch(subject, window_of(3, 2), server).warnings
        assert warning.kind == "days"
        assert "not there when the day is requested alone" in warning.text


def test_a_state_that_ended_before_the_window_is_of_other_days() -> None:
    def yesterday(window: DateWindow) -> DateWindow:
        return DateWindow(window.first - ONE_DAY, window.last - ONE_DAY)

    rows = states(9)
    (warning,) = Repair(AMSTERDAM).fetch(STATES, window_of(3), Changing(rows, yesterday)).warnings
    assert "24 rows up to 23.0 hours before these days" in warning.text
    old = [row for row in rows if row[2] and row[2] < at(5)]
    with pytest.raises(WrongDaysError, match="the response has rows of"):
        Repair(AMSTERDAM).fetch(STATES, window_of(3), Changing(old, lambda _: window_of(9, 5)))
    # One that has not ended, or ended at midnight, reaches into it.
    right = [(at(9), "lasts", at(-9), 1), (at(4, 8), "midnight", at(3), 1), (at(3), "in", at(3), 1)]
    assert Repair(AMSTERDAM).fetch(STATES, window_of(3), Changing(right)).warnings == ()


def test_rows_of_earlier_days_alone_are_silence_unless_they_are_known_to_last() -> None:
    for ends, hints in (("until", []), (None, ["silence"])):
        repair = Repair(AMSTERDAM)
        server = Changing([(at(9), "lasts", at(-9), 1)])
        for ago in (3, 2, 1, 0):
            assert repair.fetch(replace(STATES, ends=ends), window_of(ago), server).warnings == ()
        assert [hint.kind for hint in repair.hints()] == hints


def test_a_last_state_of_each_owner_is_no_proof() -> None:
    # Each agent has a state that lasts over midnight, in a response to one day as well.
    rows = [(at(3, hour), f"{hour}", at(2, hour), f"agent {hour}") for hour in range(24)]
    rows += [(at(2, hour / 2), f"{hour}+", at(2, hour), f"agent {hour}") for hour in range(24)]
    server = Changing(rows, lambda window: DateWindow(window.last, window.last))
    server.rows.append((at(3, 1.5), "short", at(3, 2), "agent 24"))
    subject = replace(STATES, ends=None, owner="value")
    response = Repair(AMSTERDAM).fetch(subject, window_of(3, 2), server)
    assert "short" in response.table.columns[1]
    assert {warning.kind for warning in response.warnings} == {"ranges"}


# Rows that change between two requests


def test_a_row_that_changes_between_two_requests_is_one_row() -> None:
    # A state that lasts grows, and another row comes in, with each request. 101 rows look cut off.
    def grow(server: Changing) -> None:
        server.rows[-1] = (*server.rows[-1][:3], len(server.asked))
        number = len(server.asked)
        server.rows.insert(0, (at(0, 8 + number / 9), f"new {number}", at(0, 9), 0))

    for number in (3, 100):
        rows = [(at(1, 8 + n / 100), f"{n}", at(1, 9 + n / 100), 0) for n in range(number)]
        server = Changing([*rows, (at(1, 23), "lasts", at(0, 12), 0)], before=grow)
        response = Repair(AMSTERDAM).fetch(STATES, window_of(1, 0), server)
        assert response.warnings == ()
        assert response.extra > 0
        ids = response.table.columns[1]
        assert len({*ids}) == len(ids)
        assert response.table.columns[3][ids.index("lasts")] != 0  # but as a later response has it


def test_rows_that_share_their_key_are_all_kept_where_days_are_joined() -> None:
    rows: list[Any] = [(at(ago, hour), "same", None, hour) for ago in (3, 2) for hour in (9, 9, 10)]
    rows[1] = (*rows[1][:3], "differs")
    server = Changing(rows, lambda window: DateWindow(window.first, window.first))
    response = Repair(AMSTERDAM).fetch(SUBJECT, window_of(3, 2), server)
    assert {warning.kind for warning in response.warnings} == {"ranges", "keys"}
    assert {*zip(*response.table.columns, strict=True)} == {*rows}


def test_a_late_row_does_not_show_that_ranges_do_not_work() -> None:
    def come(server: Changing) -> None:
        if len(server.asked) == 5:  # the window, four other pairs, then its days
            server.rows.append((at(3, 22), "late", None, 1))

    server = Changing([(at(3, 8), "early", None, 1)], before=come)
    response = Repair(AMSTERDAM).fetch(SUBJECT, window_of(3, 2), server)
    assert {*response.table.columns[1]} == {"early", "late"}
    assert response.warnings == ()


def test_a_warning_outlives_the_response_that_had_it() -> None:
    rows = [(at(ago, 9), f"{ago}", None, 1) for ago in range(9, -1, -1)]
    server = Changing(rows, lambda window: DateWindow(window.first, window.first))
    repair = Repair(AMSTERDAM)
    for _ in range(2):  # the first may be dropped, because it was fetched ahead
        response = repair.fetch(SUBJECT, window_of(3, 2), server)
        assert [warning.kind for warning in response.warnings] == ["ranges"]


def test_what_a_silent_day_said_is_kept_where_days_are_joined() -> None:
    tables = [Table(notes=("nothing",), blank=True), Table(("id",), (("a",),), notes=("first",))]
    assert join(SUBJECT, tables).notes == ("nothing", "first")


# Row limits


@pytest.mark.parametrize("keep", [slice(100), slice(-100, None)])
@pytest.mark.parametrize("quiet", [(), (4,), (2,)])
def test_a_single_day_is_compared_with_the_days_around(quiet: tuple[int, ...], keep: slice) -> None:
    rows = [
        (at(ago, n / 10), f"{ago}-{n}", None, 1)
        for ago in (4, 3, 2)
        for n in range(150)
        if ago not in quiet
    ]
    server = Changing(rows)

    def cut(window: DateWindow) -> Response:
        response = server(window)
        columns = tuple(values[keep] for values in response.table.columns)
        return replace(response, table=replace(response.table, columns=columns))

    (warning,) = Repair(AMSTERDAM).fetch(SUBJECT, window_of(3), cut).warnings
    assert warning.kind == "limit-of-day"
    assert len(server.asked) <= 5
    server.rows = [row for row in rows if int(row[1].split("-")[1]) < 100]
    assert Repair(AMSTERDAM).fetch(SUBJECT, window_of(3), server).warnings == ()
    # two days at once may be more than the setting allows
    server.asked.clear()
    assert Repair(AMSTERDAM, pairs=False).fetch(SUBJECT, window_of(3), cut).extra == 0


def test_a_day_that_has_more_rows_alone_than_a_range_shows_no_limit() -> None:
    rows = [(at(3, n / 9), f"3-{n}", None, 1) for n in range(100)]
    rows += [(at(2, n / 9), f"2-{n}", None, 1) for n in range(130)]
    server = Changing(rows, lambda window: DateWindow(window.first, window.first))
    response = Repair(AMSTERDAM).fetch(SUBJECT, window_of(3, 2), server)
    assert [warning.kind for warning in response.warnings] == ["ranges"]
    assert len(response.table) == 230


def test_one_day_that_is_read_thrice_is_not_three_days() -> None:
    server = Changing([(at(3, n / 9), f"{n}", None, 1) for n in range(100)])
    repair = Repair(AMSTERDAM)
    for _ in range(3):
        assert repair.fetch(SUBJECT, window_of(3), server).warnings == ()


def test_a_full_table_as_long_as_the_limit_is_said_at_the_end() -> None:
    repair = Repair(AMSTERDAM)
    table = Table(("id",), (tuple(range(100)),))
    repair.fetch_table(Subject("agents", ("id",)), lambda: Response(None, table, TODAY, NOW))
    rows = [(at(ago, n / 9), f"{ago}-{n}", None, 1) for ago in (3, 2) for n in range(80)]
    assert not [hint for hint in repair.hints() if hint.kind == "limit-of-table"]
    repair.fetch(SUBJECT, window_of(3, 2), Changing(rows, limit=100))
    (hint,) = repair.hints()
    assert "The response to 'agents' has exactly 100 rows" in hint.text


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


def test_midnight_rows_show_where_days_begin_or_that_the_last_midnight_is_included() -> None:
    rows = [(at(ago), f"{ago}", None, 1) for ago in range(9, -1, -1)]
    shifted = Repair(AMSTERDAM).fetch(
        SUBJECT, window_of(3, 2), Server([row[:2] for row in rows], ZoneInfo("UTC"))
    )
    for warning in shifted.warnings:
        assert "days seem to begin between 00:30 and 13:00 in Europe/Amsterdam" in warning.text
    included = Repair(AMSTERDAM).fetch(
        SUBJECT,
        window_of(3, 2),
        Changing(rows, lambda window: DateWindow(window.first, window.last + ONE_DAY)),
    )
    for warning in included.warnings:
        assert "No row is missing" in warning.text
    assert shifted.warnings
    assert included.warnings


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
