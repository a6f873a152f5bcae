"""One request of the API: every kind of response, retries, and midnight at any moment."""

from __future__ import annotations

import logging
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox, World
from sandbox.faults import KINDS
from tap_cobrowser.api.fetch import Api
from tap_cobrowser.api.transport import Reply, Transport
from tap_cobrowser.days import ONE_DAY, DateWindow, midnight
from tap_cobrowser.errors import (
    BrokenResponseError,
    ClockError,
    PausedError,
    RetriableError,
    ServerBusyError,
    TapCobrowserError,
)
from tap_cobrowser.settings import check
from tests.expected import AMSTERDAM, COMMANDS, NOW, TODAY, days_ago, expected, ordered
from tests.faults import AT_ONCE, NOTHING, RETRIED, UNDERSTOOD, WITHOUT_ROWS
from tests.keys import shows_key
from tests.made_up import MadeUp, Waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tap_cobrowser.api.clock import Time
    from tap_cobrowser.api.retries import Retry
    from tap_cobrowser.models import Response

STREAM = "slotsactivity"
COMMAND = COMMANDS[STREAM]
DAY = DateWindow(days_ago(4), days_ago(4))
WORLD = World(rows_per_day=30)
ROWS = ordered(expected(WORLD, STREAM, DAY.first, DAY.last))


@pytest.fixture(scope="module")
def _server() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as server:
        yield server


@pytest.fixture
def sandbox(_server: Sandbox) -> Sandbox:
    """The same server for all tests here, as it is at first."""
    _server.set_clock(NOW, frozen=True)
    _server.readings, _server.before_rows = Readings(), None
    _server.faults.clear()
    _server.requests.clear()
    return _server


class Client:
    """Makes an API client that does not wait, and records what it does."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.waits = Waits()
        self.retries: list[Retry] = []
        self.config = config

    def api(self, time: Time | None = None, **more: Any) -> Api:
        return Api(
            check({**self.config, "request_timeout": 2, **more}),
            time=time or self.waits.of_tap(),
            on_retry=self.retries.append,
        )

    @property
    def counted(self) -> list[int]:
        """The numbers of the retries, 0 for confirmations."""
        return [retry.number for retry in self.retries]


@pytest.fixture
def client(config: dict[str, Any]) -> Client:
    return Client(config)


@pytest.fixture(autouse=True)
def _no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert not shows_key(caplog.text)


def rows_of(response: Response) -> list[str]:
    """Return the rows of a response, to be compared with ROWS."""
    table = response.table
    rows = zip(*table.columns, strict=True)
    return ordered([dict(zip(table.names, row, strict=True)) for row in rows])


# Every fault


def test_every_fault_of_the_sandbox_is_tried() -> None:
    assert AT_ONCE.keys() | RETRIED.keys() | UNDERSTOOD.keys() | {"cut-quote"} == KINDS.keys()


@pytest.mark.parametrize("kind", AT_ONCE)
def test_an_error_that_a_retry_would_meet_again_is_one_request(
    sandbox: Sandbox, client: Client, kind: str
) -> None:
    sandbox.fail(kind, STREAM)
    error, said = AT_ONCE[kind]
    with pytest.raises(error) as raised:
        client.api(max_retries=3).fetch(COMMAND, DAY)
    _says(raised.value, error, said)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", RETRIED)
def test_an_error_that_may_pass_is_retried_max_retries_times(
    sandbox: Sandbox, client: Client, kind: str
) -> None:
    sandbox.fail(kind, STREAM)
    error, said = RETRIED[kind]
    with pytest.raises(error) as raised:
        client.api(max_retries=2, request_timeout=1).fetch(COMMAND, DAY)
    _says(raised.value, error, said)
    assert len(sandbox.requests) == 3
    assert [(each.number, each.most) for each in client.retries] == [(1, 2), (2, 2)]
    assert all(each.place == f"Stream '{STREAM}', window {DAY}" for each in client.retries)


def _says(raised: TapCobrowserError, kind: type[TapCobrowserError], said: str) -> None:
    """Check that an error says where and what, and what to do, without the key."""
    line = str(raised)
    assert line.startswith(f"Stream '{STREAM}', window {DAY}")
    assert said in line
    assert kind.advice in line
    assert not shows_key(line)
    assert raised.__cause__ is None  # that of a library would quote the URL
    assert isinstance(raised.__context__, TapCobrowserError | None)


def test_no_retries_are_no_retries(sandbox: Sandbox, client: Client) -> None:
    sandbox.fail("status-503", STREAM)
    with pytest.raises(ServerBusyError):
        client.api(max_retries=0).fetch(COMMAND, DAY)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", sorted(RETRIED.keys() - {"hang"}))
def test_a_retry_that_succeeds_has_all_rows(sandbox: Sandbox, client: Client, kind: str) -> None:
    sandbox.fail(kind, STREAM, times=1)
    assert rows_of(client.api(max_retries=1).fetch(COMMAND, DAY)) == ROWS
    assert len(sandbox.requests) == 2


def test_all_reasons_share_one_bound(sandbox: Sandbox, client: Client) -> None:
    for kind in ("status-500", "cut", "html"):
        sandbox.fail(kind, STREAM, times=1)
    with pytest.raises(BrokenResponseError):
        client.api(max_retries=2).fetch(COMMAND, DAY)
    assert client.counted == [1, 2]


@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_an_unusual_response_is_read(sandbox: Sandbox, client: Client, kind: str) -> None:
    sandbox.fail(kind, STREAM)
    response = client.api(max_retries=0).fetch(COMMAND, DAY)
    found = rows_of(response)
    if kind == "renamed-column":
        assert not any('"presetName"' in row for row in found)
        assert len(found) == len(ROWS)
    else:
        assert found == ([] if kind in WITHOUT_ROWS else ROWS)
    notices = " ".join(notice.text for notice in response.table.notices)
    assert UNDERSTOOD[kind] in notices
    assert bool(notices) == bool(UNDERSTOOD[kind])


# Nothing at all


@pytest.mark.parametrize("kind", sorted(NOTHING))
def test_a_response_of_nothing_is_requested_once_more_after_a_wait_that_is_no_retry(
    sandbox: Sandbox, client: Client, kind: str
) -> None:
    sandbox.fail(kind, STREAM)
    response = client.api(max_retries=0).fetch(COMMAND, DAY)
    assert response.table.nothing
    assert len(sandbox.requests) == 2
    assert client.counted == [0]
    assert sum(client.waits) >= 1


@pytest.mark.parametrize("kind", sorted(NOTHING))
def test_a_server_that_sends_nothing_once_has_lost_no_row(
    sandbox: Sandbox, client: Client, kind: str
) -> None:
    sandbox.fail(kind, STREAM, times=1)
    assert rows_of(client.api(max_retries=0).fetch(COMMAND, DAY)) == ROWS
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("words", ["No results found", "Geen gegevens gevonden.", "\n"])
def test_words_for_nothing_need_no_line_end(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def say(reply: Any, _: str) -> None:
        reply.body = words.encode()

    monkeypatch.setitem(KINDS, "words", say)
    sandbox.fail("words", STREAM)
    assert client.api().fetch(COMMAND, DAY).table.nothing
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("nothing", ["no_bytes", "text", "204"])
def test_nothing_is_a_broken_response_where_no_rows_have_a_header(
    sandbox: Sandbox, client: Client, nothing: str
) -> None:
    sandbox.readings = Readings(silent="all")
    api = client.api(max_retries=1)
    api.fetch(COMMAND, DAY)
    sandbox.readings = Readings(silent="all", nothing=nothing)
    with pytest.raises(BrokenResponseError, match="is empty, though other responses without rows"):
        api.fetch(COMMAND, DAY)
    assert client.counted == [1]


# The end of the last line


def test_a_server_that_never_ends_its_last_line_costs_one_request_more(
    sandbox: Sandbox, client: Client
) -> None:
    sandbox.readings = Readings(last_line_ended=False)
    api = client.api(max_retries=0)
    for ago in (8, 4, 6):
        window = DateWindow(days_ago(ago), days_ago(ago))
        rows = expected(WORLD, STREAM, window.first, window.last)
        assert rows_of(api.fetch(COMMAND, window)) == ordered(rows)
    assert len(sandbox.requests) == 4
    assert client.counted == [0]
    assert sum(client.waits) == 0


def test_a_last_line_that_does_not_end_is_whole_if_more_rows_came_after_it(
    sandbox: Sandbox, client: Client
) -> None:
    hourly, today = COMMANDS["accountspecshourly"], DateWindow(TODAY, TODAY)
    sandbox.readings = Readings(last_line_ended=False)
    times = [NOW.replace(hour=hour) for hour in (9, 14)]
    later = iter(times)
    sandbox.before_rows = lambda _: sandbox.set_clock(next(later), frozen=True)
    response = client.api(max_retries=0).fetch(hourly, today)
    before, after = (expected(WORLD, hourly.name, TODAY, TODAY, time) for time in times)
    assert rows_of(response) == ordered(after)
    assert len(after) > len(before) > 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_response_that_is_cut_where_it_stays_csv_is_retried_until_its_line_ends(
    sandbox: Sandbox, client: Client, times: int
) -> None:
    rows_left = iter([9, 30])  # not in the same place again, and with fewer rows

    def cut(reply: Any, _: str) -> None:
        rows = reply.body.splitlines(keepends=True)
        reply.body = b"".join(rows[: -next(rows_left)]).rstrip()

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "cut-at-a-row", cut)
        sandbox.fail("cut-at-a-row", STREAM, times=times)
        assert rows_of(client.api(max_retries=1).fetch(COMMAND, DAY)) == ROWS
    assert client.counted == [0, 1][:times]


def test_a_last_line_without_an_end_is_never_accepted_where_others_have_one(
    sandbox: Sandbox, client: Client
) -> None:
    api = client.api(max_retries=3)
    assert rows_of(api.fetch(COMMAND, DAY)) == ROWS
    sandbox.fail("cut-quote", STREAM, times=3)
    assert rows_of(api.fetch(COMMAND, DAY)) == ROWS
    sandbox.fail("cut-quote", STREAM)
    with pytest.raises(BrokenResponseError, match="ends without a line feed"):
        api.fetch(COMMAND, DAY)


def test_a_header_s_line_end_says_nothing_about_that_of_rows(
    sandbox: Sandbox, client: Client
) -> None:
    before = DateWindow(DAY.first - ONE_DAY, DAY.first - ONE_DAY)
    sandbox.readings = Readings(last_line_ended=False, sep_line=True, silent=str(before.first))
    api = client.api(max_retries=0)
    assert rows_of(api.fetch(COMMAND, before)) == []
    assert rows_of(api.fetch(COMMAND, DAY)) == ROWS


def test_a_header_alone_without_a_line_end_is_requested_once_more_the_first_time(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Transport.get

    def unended(transport: Transport, parameters: Mapping[str, str]) -> Reply:
        reply = get(transport, parameters)
        return replace(reply, body=reply.body.rstrip())

    monkeypatch.setattr(Transport, "get", unended)
    sandbox.readings = Readings(silent="all")
    assert rows_of(client.api(max_retries=0).fetch(COMMAND, DAY)) == []
    assert client.counted == [0]


def test_no_body_is_kept_of_a_server_that_never_ends_its_last_line(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = b'\n"1";"1";"' + b"x" * 5000 + b'";"1"'
    body = b'"id";"account_id";"hostname";"multiple_acc_id"' + row * 400
    monkeypatch.setattr(Transport, "get", lambda *_: Reply(200, "OK", {}, body[:-1] + b'"'))
    api = Api(check(config), time=Waits().of_tap())
    tracemalloc.start()
    try:
        for _ in range(2):
            assert len(api.fetch(COMMANDS["hosts"]).table) == 400
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < len(body) / 4


# Waits


@pytest.mark.parametrize("status", [200, 400, 403, 429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_the_server_asks_for_is_kept_whatever_the_status(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch, form: str, status: int
) -> None:
    after = "20" if form == "seconds" else format_datetime(NOW + timedelta(seconds=20))
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, after, status))
    sandbox.fail("busy", STREAM, times=1)
    # a date counts from that of the response
    sandbox.set_clock(NOW, frozen=True)
    assert rows_of(client.api(max_retries=1).fetch(COMMAND, DAY)) == ROWS
    assert sum(client.waits) == pytest.approx(20, abs=1)
    assert client.counted == [1]


def _busy(reply: Any, after: str, status: int = 503) -> None:
    reply.status, reply.headers["Retry-After"], reply.body = status, after, b"Try later"


def test_a_date_to_wait_for_counts_from_the_date_of_the_response(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_clock(NOW + timedelta(hours=5), frozen=True)
    after = format_datetime(NOW + timedelta(hours=5, seconds=30))
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, after))
    sandbox.fail("busy", STREAM, times=1)
    client.api(max_retries=1).fetch(COMMAND, DAY)
    assert sum(client.waits) == pytest.approx(30, abs=1)


@pytest.mark.parametrize("kind", ["empty", "text", "status-204"])
def test_a_response_without_rows_but_with_retry_after_is_retried(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def busy(reply: Any, path: str) -> None:
        KINDS[kind](reply, path)
        reply.headers["Retry-After"] = "9"

    monkeypatch.setitem(KINDS, "busy", busy)
    sandbox.fail("busy", STREAM, times=1)
    assert rows_of(client.api(max_retries=1).fetch(COMMAND, DAY)) == ROWS
    assert client.counted == [1]
    assert sum(client.waits) == pytest.approx(9, abs=1)


@pytest.mark.parametrize("after", ["3601", "99999999999", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_no_server_can_park_the_tap_for_hours(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, after))
    sandbox.fail("busy", STREAM)
    with pytest.raises(PausedError, match="it asks to wait"):
        client.api(max_retries=1).fetch(COMMAND, DAY)
    assert len(sandbox.requests) == 1


# The server's clock


@pytest.mark.parametrize("most", [0, 2])
def test_a_change_of_the_server_s_day_is_a_retry_too(
    sandbox: Sandbox, client: Client, most: int
) -> None:
    time = MadeUp(midnight(DAY.last + ONE_DAY, AMSTERDAM))
    sandbox.set_clock(time.server)
    sandbox.before_rows = lambda _: time.pass_by(86_400)
    with pytest.raises(ClockError, match="server's day changed while it responded"):
        client.api(time.of_tap(), max_retries=most).fetch(COMMAND, DAY)
    assert len(sandbox.requests) == most + 1
    assert client.counted == [*range(1, most + 1)]


@pytest.mark.parametrize(
    ("before", "step"),
    [
        (0.5, 1),  # midnight passes between Date and the rows
        (2, 1),  # or may have, since Date has no fractions
        (30, 60),
        (30, 1),
        (-0.5, 1),
    ],
)
@pytest.mark.parametrize(
    ("drift", "stamped"),
    # without a Date header there is only this machine's clock
    [(0, False), *((drift, True) for drift in (0, -1, 300, -90_000))],
)
def test_rows_are_of_the_requested_day_wherever_midnight_falls(
    sandbox: Sandbox, client: Client, before: float, step: float, drift: float, *, stamped: bool
) -> None:
    at = midnight(TODAY, AMSTERDAM) - timedelta(seconds=before)
    time = MadeUp(at, timedelta(seconds=drift), [step])
    sandbox.set_clock(time.server)
    sandbox.before_rows = time.step
    if not stamped:
        sandbox.fail("no-date")
    response = client.api(time.of_tap(), max_retries=3).fetch(COMMAND, DAY)
    assert rows_of(response) == ROWS


def test_days_ago_are_counted_again_for_each_retry(sandbox: Sandbox, client: Client) -> None:
    time = MadeUp(midnight(TODAY, AMSTERDAM) - timedelta(seconds=0.5), steps=[1.0])
    sandbox.set_clock(time.server)
    sandbox.before_rows = time.step
    client.api(time.of_tap(), max_retries=1).fetch(COMMAND, DAY)
    ago = (TODAY - ONE_DAY - DAY.first).days
    assert [each.start for each in sandbox.requests] == [ago, ago + 1]


def test_a_retry_just_before_midnight_waits_for_it(sandbox: Sandbox, client: Client) -> None:
    midnight_at = midnight(TODAY, AMSTERDAM)
    time = MadeUp(midnight_at - timedelta(seconds=0.9), steps=[0.1])
    sandbox.set_clock(time.server)
    sandbox.before_rows = time.step
    client.api(time.of_tap(), max_retries=1).fetch(COMMAND, DAY)
    assert len(sandbox.requests) == 2
    assert sandbox.requests[-1].at >= midnight_at


@pytest.mark.parametrize("year", [1970, 9999])
def test_a_clock_that_cannot_be_right_is_an_error(
    sandbox: Sandbox, client: Client, year: int
) -> None:
    sandbox.set_clock(NOW.replace(year=year, month=6), frozen=True)
    with pytest.raises(RetriableError, match=str(year)):
        client.api().fetch(COMMAND, DAY)


def test_a_clock_that_goes_back_does_not_make_past_days_future_ones(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    back: datetime = NOW - timedelta(days=6)

    def set_back(reply: Any, *_: str) -> None:
        reply.headers["Date"] = format_datetime(back.astimezone(), usegmt=False)

    monkeypatch.setitem(KINDS, "set-back", set_back)
    sandbox.fail("set-back", STREAM, times=1)
    api = client.api(max_retries=2)
    with pytest.raises(ClockError, match="clock went back"):
        api.fetch(COMMAND, DAY)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("drift", [-40, -1, 0, 1, 5])
def test_numbers_of_days_ago_need_no_clock_of_this_machine(
    sandbox: Sandbox, client: Client, drift: int
) -> None:
    time = MadeUp(NOW, timedelta(days=drift))
    api = client.api(time.of_tap(), max_retries=0)
    response = api.fetch_ago(COMMAND, 4, 4)
    assert (response.today, response.window) == (TODAY, DAY)
    assert rows_of(response) == ROWS
    assert rows_of(api.fetch(COMMAND, DAY)) == ROWS
    assert [each.start for each in sandbox.requests] == [4, 4]
