"""Every kind of response, on the API client alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Readings, Sandbox
from sandbox.faults import KINDS
from tap_cobrowser import redaction
from tap_cobrowser.api import Api, Command, Retry
from tap_cobrowser.api.clock import Time
from tap_cobrowser.days import ONE_DAY, DateWindow
from tap_cobrowser.errors import RetriableError, TapCobrowserError
from tap_cobrowser.redaction import RedactingFormatter
from tap_cobrowser.settings import check
from tap_cobrowser.client import CobrowserStream
from tap_cobrowser.tap import TapCobrowser
from tap_cobrowser.api.transport import Reply, Transport
from tests.expected import NOW, days_ago, expected, ordered
from tests.keys import shows_key
from tests.outputs import select
from tests.sandbox.test_responses import ASKED_AGAIN, AT_ONCE, UNDERSTOOD, WITHOUT_ROWS, Waited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STREAM = "slotsactivity"
WINDOW = DateWindow(days_ago(4), days_ago(4))  # no range, which would be checked


class Client:
    """An API client that does not wait, and a record of what it did."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.waits = Waited()
        self.retries: list[Retry] = []
        self.config = config

    def api(self, **more: Any) -> Api:
        return Api(
            check({**self.config, "request_timeout": 2, **more}),
            time=self.waits.of_tap(),
            on_retry=self.retries.append,
        )


@pytest.fixture
def client(config: dict[str, Any]) -> Client:
    return Client(config)


@pytest.fixture(autouse=True)
def _no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    # urllib3 logs the URL as it is; the key is struck out where the line is written.
    written = RedactingFormatter(None)
    for record in (*caplog.get_records("setup"), *caplog.get_records("call")):
        assert not shows_key(written.format(record))
        if not record.name.startswith("urllib3"):
            assert not shows_key(record.getMessage())


@pytest.fixture
def command(config: dict[str, Any]) -> Command:
    return _command(config, STREAM)


def _command(config: dict[str, Any], name: str) -> Command:
    stream = TapCobrowser(config=config, catalog=select(name)).streams[name]
    assert isinstance(stream, CobrowserStream)
    return stream.command


def test_every_fault_of_the_sandbox_is_tried() -> None:
    tried = AT_ONCE.keys() | ASKED_AGAIN.keys() | UNDERSTOOD.keys()
    assert tried | {"cut-quote"} == KINDS.keys()


@pytest.mark.parametrize("kind", AT_ONCE)
def test_an_error_at_once_is_one_request(
    sandbox: Sandbox, client: Client, command: Command, kind: str
) -> None:
    sandbox.fail(kind, STREAM)
    error, said = AT_ONCE[kind]
    with pytest.raises(error) as raised:
        client.api(max_retries=3).fetch(command, WINDOW)
    line = str(raised.value)
    assert line.startswith(f"Stream '{STREAM}', window {WINDOW}")
    assert said in line
    assert error.advice in line
    assert not shows_key(line)
    assert len(sandbox.requests) == 1
    _shows_no_cause(raised.value)


def test_an_error_shows_no_key_though_no_tap_has_protected_it(
    sandbox: Sandbox, client: Client, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_masks", {})  # which the tap of `command` has filled
    sandbox.fail("text", STREAM)  # echoes the request
    with pytest.raises(TapCobrowserError) as raised:
        client.api().fetch(command, WINDOW)
    assert not shows_key(str(raised.value))


@pytest.mark.parametrize("most", [0, 2])
@pytest.mark.parametrize("kind", ASKED_AGAIN)
def test_max_retries_bounds_all_repetitions(
    sandbox: Sandbox, client: Client, command: Command, kind: str, most: int
) -> None:
    sandbox.fail(kind, STREAM)
    error, said = ASKED_AGAIN[kind]
    with pytest.raises(error) as raised:
        client.api(max_retries=most, request_timeout=1).fetch(command, WINDOW)
    line = str(raised.value)
    assert line.startswith(f"Stream '{STREAM}', window {WINDOW}")
    assert said in line
    assert error.advice in line
    assert len(sandbox.requests) == most + 1
    assert [(retry.number, retry.most) for retry in client.retries] == [
        (number + 1, most) for number in range(most)
    ]
    assert all(retry.place == f"Stream '{STREAM}', window {WINDOW}" for retry in client.retries)
    assert not any(shows_key(str(each)) for each in (raised.value, *client.retries))
    _shows_no_cause(raised.value)


@pytest.mark.parametrize("kind", ASKED_AGAIN)
def test_a_repeated_request_gives_all_rows(
    sandbox: Sandbox, client: Client, command: Command, kind: str
) -> None:
    sandbox.fail(kind, STREAM, times=1)
    response = client.api(max_retries=1).fetch(command, WINDOW)
    rows = expected(sandbox.world, STREAM, WINDOW.first, WINDOW.last)
    assert ordered(_rows(response.table)) == ordered(rows)
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("kind", UNDERSTOOD)
def test_an_unusual_response_is_understood(
    sandbox: Sandbox, client: Client, command: Command, kind: str
) -> None:
    sandbox.fail(kind, STREAM)
    response = client.api(max_retries=1).fetch(command, WINDOW)
    rows = expected(sandbox.world, STREAM, WINDOW.first, WINDOW.last)
    found = _rows(response.table)
    if kind in WITHOUT_ROWS:
        rows = []
    if kind == "renamed-column":
        rows = [{name: row[name] for name in row if name != "presetName"} for row in rows]
    assert ordered(found) == ordered(rows)
    notes = " ".join(response.table.notes)
    assert UNDERSTOOD[kind] in notes
    assert bool(notes) == bool(UNDERSTOOD[kind])
    assert not response.warnings


@pytest.mark.parametrize("most", [0, 2])
def test_a_midnight_is_a_repetition_too(
    sandbox: Sandbox, client: Client, command: Command, most: int
) -> None:
    sandbox.fail("no-date", STREAM)
    day = iter(range(100))

    def now() -> Any:
        return NOW + next(day) * ONE_DAY

    api = Api(check({**client.config, "max_retries": most}), time=Time(now, lambda: 0.0, _pass))
    with pytest.raises(RetriableError, match="day changed"):
        api.fetch(command, WINDOW)
    assert len(sandbox.requests) == most + 1


def _pass(_: float) -> None:
    pass


@pytest.mark.parametrize("year", [1970, 9999])
def test_a_clock_that_cannot_be_right_is_an_error(
    sandbox: Sandbox, client: Client, command: Command, year: int
) -> None:
    sandbox.set_clock(NOW.replace(year=year, month=6), frozen=True)
    with pytest.raises(RetriableError, match=str(year)):
        client.api().fetch(command, WINDOW)


def test_a_service_that_never_ends_its_last_line_costs_one_request_more(
    client: Client, command: Command
) -> None:
    with Sandbox(clock=NOW, frozen=True, readings=Readings(last_line_ended=False)) as sandbox:
        api = client.api(api_url=sandbox.url, max_retries=1)
        for ago in (8, 6, 4):
            window = DateWindow(days_ago(ago), days_ago(ago))
            response = api.fetch(command, window)
            rows = expected(sandbox.world, STREAM, window.first, window.last)
            assert ordered(_rows(response.table)) == ordered(rows)
        assert len(sandbox.requests) == 4


def test_a_header_s_line_end_says_nothing_about_that_of_rows(
    client: Client, command: Command
) -> None:
    readings = Readings(last_line_ended=False, sep_line=True, silent=str(WINDOW.first - ONE_DAY))
    with Sandbox(clock=NOW, frozen=True, readings=readings) as sandbox:
        api = client.api(api_url=sandbox.url, max_retries=1)
        before = DateWindow(WINDOW.first - ONE_DAY, WINDOW.first - ONE_DAY)
        assert len(api.fetch(command, before).table) == 0
        assert len(api.fetch(command, WINDOW).table) > 0


@pytest.mark.parametrize(("nothing", "more"), [("text", 0), ("header", 1)])
def test_what_is_said_of_no_rows_ends_no_line(
    client: Client, command: Command, monkeypatch: pytest.MonkeyPatch, nothing: str, more: int
) -> None:
    get = Transport.get

    def unended(transport: Transport, parameters: Mapping[str, str]) -> Reply:
        reply = get(transport, parameters)
        return replace(reply, body=reply.body.rstrip()) if reply.body.count(b"\n") < 2 else reply

    monkeypatch.setattr(Transport, "get", unended)
    with Sandbox(clock=NOW, frozen=True) as sandbox:
        api = client.api(api_url=sandbox.url, max_retries=1)
        api.fetch(command, DateWindow(days_ago(2), days_ago(1)))
        sandbox.readings = Readings(nothing=nothing, silent="all")
        before = len(sandbox.requests)
        for ago in (7, 8, 9):
            assert len(api.fetch(command, DateWindow(days_ago(ago), days_ago(ago))).table) == 0
        assert len(sandbox.requests) - before == 3 + more


def test_a_last_line_without_end_is_never_believed_where_others_have_one(
    sandbox: Sandbox, client: Client, command: Command
) -> None:
    api = client.api(max_retries=3)
    whole = api.fetch(command, WINDOW)
    sandbox.fail("cut-quote", STREAM, times=3)
    assert _rows(api.fetch(command, WINDOW).table) == _rows(whole.table)
    sandbox.fail("cut-quote", STREAM)
    with pytest.raises(RetriableError, match="ends without a line feed"):
        api.fetch(command, WINDOW)


def test_other_commands_show_how_lines_end(
    sandbox: Sandbox, client: Client, command: Command
) -> None:
    whole = client.api().fetch(command, WINDOW)
    api = client.api(max_retries=3)
    api.fetch(_command(client.config, "accounts"))
    sandbox.fail("cut-quote", STREAM, times=2)
    assert _rows(api.fetch(command, WINDOW).table) == _rows(whole.table)


def _rows(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]


def _shows_no_cause(error: TapCobrowserError) -> None:
    """Hold that nothing that quotes the URL is chained to an error."""
    seen: list[BaseException | None] = [error.__cause__, error.__context__]
    assert not any(shows_key(repr(each)) for each in seen)
