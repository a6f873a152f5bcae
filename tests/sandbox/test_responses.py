"""Good, bad and unusual responses in a run: what its output, its log and its exit code are.

Each kind of response by itself is tried in test_fetch.py.
"""

from __future__ import annotations

import logging
import ssl
from datetime import datetime, timezone
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from sandbox import Readings, Sandbox, World
from sandbox.faults import KINDS
from sandbox.world import TABLES
from tap_cobrowser.days import DateWindow
from tap_cobrowser.errors import CertificateError, CredentialsError, TapCobrowserError
from tests.expected import NOW, TODAY, WINDOWED, days_ago, expected, ordered
from tests.faults import AT_ONCE, RETRIED
from tests.keys import shows_key
from tests.made_up import Waits
from tests.outputs import Output, run, select, warnings_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.outputs import Command

STREAM = "slotsactivity"
FIRST = 8  # days ago


@pytest.fixture
def settings(config: dict[str, Any], tmp_path: Path, mode: str) -> dict[str, Any]:
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri()},
    }
    return {**config, **({"batch_config": batches} if mode == "BATCH" else {})}


def midnight(day: int) -> str:
    day_begins = datetime.combine(days_ago(day), datetime.min.time(), NOW.tzinfo)
    return day_begins.astimezone(timezone.utc).isoformat()


# Errors


@pytest.mark.parametrize(
    ("kind", "mode", "bad", "level"),
    [
        ("text", "RECORD", FIRST, "INFO"),
        ("status-503", "BATCH", FIRST - 4, "INFO"),
        ("reset", "RECORD", FIRST - 4, "DEBUG"),
        ("bad-number", "BATCH", FIRST, "DEBUG"),
    ],
)
def test_an_error_ends_its_stream_after_the_windows_before_it(
    sandbox: Sandbox, settings: dict[str, Any], command: Command, kind: str, bad: int, level: str
) -> None:
    sandbox.fail(kind, STREAM, start=bad)
    output = command(settings, catalog=select(STREAM), TAP_COBROWSER_LOGLEVEL=level)
    error, said = (AT_ONCE | RETRIED)[kind]
    assert output.code == 1
    window = DateWindow(days_ago(bad), days_ago(bad - 1))
    (line,) = [line for line in output.stderr.splitlines() if f"'{STREAM}', window" in line][-1:]
    if level == "INFO":
        assert line == output.last_line
        assert "Traceback" not in output.stderr
    assert f"Stream '{STREAM}', window {window}" in line
    assert said in line
    assert error.advice in line
    assert sum(each.start == bad for each in sandbox.requests) == 1
    before = expected(sandbox.world, STREAM, days_ago(FIRST), days_ago(bad + 1))
    assert ordered(output.records(STREAM)) == ordered(before)
    if bad == FIRST:
        assert not output.states
    else:
        assert output.bookmark(STREAM) == midnight(bad)
    assert not shows_key(output.text)


def test_an_error_of_one_stream_does_not_end_the_others_and_the_last_line_names_it(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.fail("text", "agentactivity", start=4)
    sandbox.fail("status-404", "accounts")
    streams = ("accounts", "agentactivity", "emails", "hosts")
    output = command(config, catalog=select(*streams))
    assert output.code == 1
    for stream in ("emails", "hosts"):
        rows = expected(sandbox.world, stream, days_ago(FIRST))
        assert ordered(output.records(stream)) == ordered(rows)
    assert output.bookmark("emails") == midnight(0)
    assert output.bookmark("agentactivity") == midnight(4)
    assert (
        "2 of 4 streams failed: 'accounts' (The server returned 404 Not Found" in output.last_line
    )
    assert "'agentactivity' (The response is text, not CSV" in output.last_line
    errors = [line for line in output.stderr.splitlines() if "| ERROR" in line]
    assert len(errors) == 3
    # and the next run completes what was left
    sandbox.faults.clear()
    rest = command(config, catalog=select(*streams), state=output.states[-1])
    rows = expected(sandbox.world, "agentactivity", days_ago(FIRST))
    both = {row["activity_id"]: row for row in output.records("agentactivity")}
    both |= {row["activity_id"]: row for row in rest.records("agentactivity")}
    assert {*ordered(list(both.values()))} >= {*ordered(rows)}


def test_an_error_of_the_stream_that_the_preflight_asks_is_that_of_this_stream_alone(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    sandbox.fail("status-404", "accountspecshourly")
    outputs: list[Output] = []
    with pytest.raises(TapCobrowserError, match="1 of 2 streams failed: 'accountspecshourly'"):
        run(config, catalog=select("accountspecshourly", "emails"), output=outputs)
    rows = expected(sandbox.world, "emails", days_ago(FIRST))
    assert ordered(outputs[0].records("emails")) == ordered(rows)


@pytest.mark.parametrize("streams", [("accounts", "agents", "hosts"), (*WINDOWED, "hosts")])
def test_a_key_that_is_rejected_is_sent_once_and_ends_the_run(
    sandbox: Sandbox, config: dict[str, Any], streams: tuple[str, ...]
) -> None:
    sandbox.fail("status-401")
    with pytest.raises(CredentialsError, match="Check `user`"):
        run({**config, "max_retries": 5}, catalog=select(*streams))
    assert len(sandbox.requests) == 1


def test_a_key_that_is_rejected_later_ends_its_stream_alone(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    sandbox.fail("status-403", "agents")
    outputs: list[Output] = []
    with pytest.raises(TapCobrowserError, match="1 of 3 streams failed: 'agents'"):
        run(config, catalog=select("accounts", "agents", "hosts"), output=outputs)
    assert outputs[0].records("hosts")


@pytest.mark.parametrize("mode", ["RECORD", "BATCH"])
@pytest.mark.parametrize("bad", [FIRST, FIRST - 4])
@pytest.mark.parametrize("kind", ["cut-text", "status-429"])
def test_what_passes_is_retried_and_no_row_is_lost_or_emitted_twice(
    sandbox: Sandbox,
    settings: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    bad: int,
) -> None:
    sandbox.fail(kind, STREAM, start=bad, times=1)
    output = run({**settings, "max_retries": 1}, catalog=select(STREAM), time=Waits().of_tap())
    rows = expected(sandbox.world, STREAM, days_ago(FIRST))
    assert ordered(output.records(STREAM)) == ordered(rows)
    assert output.bookmark(STREAM) == midnight(0)
    window = DateWindow(days_ago(bad), days_ago(bad - 1))
    assert sum((each.start, each.stop) == (bad, bad - 1) for each in sandbox.requests) == 2
    (line,) = warnings_of(caplog)
    assert line.startswith(f"Stream '{STREAM}', window {window}: {RETRIED[kind][1]}")
    assert "(1 of 1)" in line


# Unusual responses


def test_a_cell_that_does_not_fit_is_passed_by_deselecting_its_column(
    sandbox: Sandbox, config: dict[str, Any]
) -> None:
    stream, column = "accountspecshourly", "hourOfDay"
    sandbox.fail("bad-number", stream)
    with pytest.raises(TapCobrowserError, match=f"column '{column}'.*deselect it in the catalog"):
        run(config, catalog=select(stream))
    output = run(config, catalog=select(stream, but={stream: [column]}))
    rows = expected(sandbox.world, stream, days_ago(FIRST))
    without = [{name: row[name] for name in row if name != column} for row in rows]
    assert ordered(output.records(stream)) == ordered(without)


@pytest.mark.parametrize("words", ["", "No data for request {}", "Geen gegevens ({})"])
def test_days_of_nothing_are_one_warning_at_the_end_of_their_stream(
    sandbox: Sandbox,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    numbers = count()

    def say(reply: Any, _: str) -> None:
        reply.body = words.format(next(numbers)).encode()

    monkeypatch.setitem(KINDS, "words", say)
    for ago in (7, 6, 5):
        sandbox.fail("words", "emails", start=ago)
    caplog.set_level(logging.INFO)
    settings = {**config, "window_days": 1, "max_concurrent_requests": 1}
    run(settings, catalog=select("emails", "agents"), time=Waits().of_tap())
    (line,) = warnings_of(caplog)
    days = ", ".join(str(days_ago(ago)) for ago in (7, 6, 5))
    assert line.startswith(f"emails: The response to {days} was empty, twice")
    once_more = [at for at, said in enumerate(caplog.messages) if "once more" in said]
    assert len(once_more) == 3
    assert caplog.messages.index(line) > max(once_more)


def test_a_warning_is_logged_once_per_stream(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.readings = Readings(colliding_keys=True)
    run(config, catalog=select("emails", "agentactivity", "hosts"))
    assert sorted(line.split(":")[0] for line in warnings_of(caplog)) == [
        "agentactivity",
        "emails",
        "hosts",
    ]


def test_warnings_about_the_whole_run_come_after_all_streams_and_earlier_days(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.readings = Readings(silent="all")
    caplog.set_level(logging.INFO)
    state = run({**config, "start_date": days_ago(2).isoformat()}, catalog=select("emails"))
    assert not warnings_of(caplog)
    run(
        {**config, "start_date": days_ago(20).isoformat()},
        catalog=select("emails", "hosts"),
        state=state.states[-1],
    )
    (line,) = warnings_of(caplog)
    assert f"from {days_ago(20)} to {TODAY}" in line
    # only the summary of the run comes after it
    assert caplog.messages[-2] == line


# TLS


@pytest.fixture
def encrypted(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Let the sandbox speak TLS with a certificate of a CA of its own, whose file is returned."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = sandbox._server
    server.socket = context.wrap_socket(server.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def test_a_certificate_that_is_not_trusted_is_rejected_and_one_of_a_custom_ca_is_accepted(
    sandbox: Sandbox, config: dict[str, Any], encrypted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config |= {"api_url": sandbox.url.replace("http:", "https:"), "max_retries": 3}
    with pytest.raises(CertificateError) as raised:
        run(config, catalog=select("accounts"))
    line = str(raised.value)
    assert line.startswith("Stream 'accounts': The server's certificate is not trusted: ")
    assert CertificateError.advice in line
    assert not sandbox.requests
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(encrypted))
    trusted = run(config, catalog=select("accounts"))
    assert ordered(trusted.records("accounts")) == ordered(
        expected(sandbox.world, "accounts", TODAY)
    )


def test_a_ca_file_that_is_not_there_is_named(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config["api_url"] = "https://127.0.0.1:9/csv.php"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "there is none.pem"))
    with pytest.raises(CertificateError, match=r"there is none\.pem.*REQUESTS_CA_BUNDLE"):
        run(config, catalog=select("accounts"))


def test_no_redirect_takes_the_key_elsewhere(
    sandbox: Sandbox, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(World(rows_per_day=1)) as elsewhere:

        def redirect(reply: Any, path: str) -> None:
            place = elsewhere.url.split("/generic")[0] + path
            reply.status, reply.headers["Location"], reply.body = 302, place, b""

        monkeypatch.setitem(KINDS, "redirect", redirect)
        sandbox.fail("redirect")
        with pytest.raises(TapCobrowserError, match="The server returned 302"):
            run(config, catalog=select("accounts"))
        assert not elsewhere.requests


# All that can pass, at random


CAN_PASS = sorted(RETRIED.keys() - {"hang"} | {"cut-quote", "empty"})


@pytest.mark.parametrize("days", [12, pytest.param(183, marks=pytest.mark.long)])
def test_all_streams_survive_one_failure_in_five_requests(
    config: dict[str, Any], days: int
) -> None:
    world, waits = World(rows_per_day=4), Waits()
    with Sandbox(world, clock=NOW, frozen=True) as sandbox:
        for kind in CAN_PASS:
            sandbox.fail(kind, one_in=5 * len(CAN_PASS) - len(CAN_PASS) // 2)
        config |= {
            "api_url": sandbox.url,
            "start_date": days_ago(days).isoformat(),
            "max_retries": 12,
        }
        output = run(config, time=waits.of_tap())
        least = len(WINDOWED) * (days // 2 + 1) + len(TABLES) - len(WINDOWED)
        assert len(sandbox.requests) > least * 1.15
    for stream in TABLES:
        rows = expected(world, stream, days_ago(days))
        assert ordered(output.records(stream)) == ordered(rows), stream
        if stream in WINDOWED:
            assert output.bookmark(stream) == midnight(0)
    assert len(output.states) == least
    assert waits
