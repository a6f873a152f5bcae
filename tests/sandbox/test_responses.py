"""Every kind of response, in both forms of output, early and late in a run.

The sandbox returns the responses. The tests assert on what a user sees: records, bookmark, exit
code, the last line of the log, and that no output contains the key.
"""

from __future__ import annotations

import json
import logging
import ssl
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from sandbox import Sandbox, World
from sandbox.faults import KINDS
from sandbox.world import TABLES
from tap_cobrowser.api.clock import Time
from tap_cobrowser.days import DateWindow
from tap_cobrowser.errors import (
    BrokenResponseError,
    CellError,
    CertificateError,
    ClockError,
    ConnectionFailedError,
    CredentialsError,
    MissingColumnError,
    NotCsvError,
    PausedError,
    RejectedError,
    ServerBusyError,
    TapCobrowserError,
)
from tests.expected import NOW, TODAY, WINDOWED, days_ago, expected, ordered
from tests.keys import shows_key
from tests.outputs import Output, run, select, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.outputs import Command

STREAM = "slotsactivity"
FIRST = 8  # days ago
MODES = ["RECORD", "BATCH"]
LEVELS = ["INFO", "DEBUG"]
# by how many days ago the window begins whose answer is bad
PLACES = {"first": FIRST, "later": FIRST - 4}

AT_ONCE: dict[str, tuple[type[TapCobrowserError], str]] = {
    "status-400": (RejectedError, "The server returned 400"),
    "status-401": (CredentialsError, "The server returned 401"),
    "status-403": (CredentialsError, "The server returned 403"),
    "status-404": (RejectedError, "The server returned 404"),
    "status-302": (RejectedError, "The server returned 302"),
    "status-206": (RejectedError, "The server returned 206"),
    "retry-after-hours": (PausedError, "it asks to wait 7200 seconds"),
    "text": (NotCsvError, "The response is text, not CSV: 'Sorry, no data for"),
    "json": (NotCsvError, "The response is JSON, not CSV"),
    "no-key": (MissingColumnError, "The response lacks the column 'activity_id'"),
    "bad-number": (CellError, "is not an integer"),
}
ASKED_AGAIN: dict[str, tuple[type[TapCobrowserError], str]] = {
    "reset": (ConnectionFailedError, "The server closed the connection before it responded"),
    "hang": (ConnectionFailedError, "The server did not respond within"),
    "cut": (ConnectionFailedError, "The response was cut short"),
    "cut-text": (BrokenResponseError, "The response is incomplete"),
    "html": (BrokenResponseError, "The response is an HTML page"),
    "php-error": (BrokenResponseError, "The response is incomplete"),
    "status-408": (ServerBusyError, "The server returned 408"),
    "status-425": (ServerBusyError, "The server returned 425"),
    "status-429": (ServerBusyError, "The server returned 429"),
    "status-500": (ServerBusyError, "The server returned 500"),
    "status-502": (ServerBusyError, "The server returned 502"),
    "status-503": (ServerBusyError, "The server returned 503"),
    "status-504": (ServerBusyError, "The server returned 504"),
}
# Accepted responses, and their warnings.
UNDERSTOOD = {
    "empty": "without even a header",
    "header-only": "",
    "status-204": "",
    "no-header": "has no header",
    "bom": "",
    "crlf": "",
    "no-line-end": "",
    "windows-1252": "",
    "upper-case": "",
    "renamed-column": "'renamed'",
    "no-date": "",
}
WITHOUT_ROWS = {"empty", "header-only", "status-204"}


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


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["text", "status-503", "reset"])  # the others: test_api.py
def test_a_bad_answer_ends_the_run_behind_what_precedes_it(
    sandbox: Sandbox, settings: dict[str, Any], command: Command, kind: str, place: str, level: str
) -> None:
    bad = PLACES[place]
    sandbox.fail(kind, STREAM, start=bad)
    settings["request_timeout"] = 2 if kind == "hang" else 30
    output = command(settings, catalog=select(STREAM), TAP_COBROWSER_LOGLEVEL=level)
    error, said = (AT_ONCE | ASKED_AGAIN)[kind]
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
    if place == "first":
        assert not output.states
    else:
        assert output.bookmark(STREAM) == midnight(bad)
    assert not shows_key(output.text)


@pytest.mark.parametrize(
    ("mode", "place", "level"),  # none of which meets another: each with each other one once
    [
        ("RECORD", "first", "INFO"),
        ("RECORD", "later", "DEBUG"),
        ("BATCH", "first", "DEBUG"),
        ("BATCH", "later", "INFO"),
    ],
)
def test_what_may_pass_is_asked_again_and_nothing_is_lost_or_doubled(
    settings: dict[str, Any], tmp_path: Path, place: str, level: str
) -> None:
    bad = PLACES[place]
    window = DateWindow(days_ago(bad), days_ago(bad - 1))
    with ExitStack() as sandboxes:
        runs = {}
        for kind in ("hang", "cut-text", "status-429"):  # side by side, since each run waits
            sandbox = Sandbox(World(rows_per_day=30), clock=NOW, frozen=True)
            sandboxes.enter_context(sandbox)
            sandbox.fail(kind, STREAM, start=bad, times=1)
            settings |= {"api_url": sandbox.url, "max_retries": 1}
            settings["request_timeout"] = 5 if kind == "hang" else 30
            (tmp_path / kind).mkdir()
            runs[kind] = start(
                tmp_path / kind,
                settings,
                catalog=select(STREAM),
                TAP_COBROWSER_LOGLEVEL=level,
            )
        for kind, wait in runs.items():
            output = wait()
            assert output.code == 0, output.stderr
            assert ordered(output.records(STREAM)) == ordered(
                expected(sandbox.world, STREAM, days_ago(FIRST))
            )
            assert output.bookmark(STREAM) == midnight(0)
            (line,) = [line for line in output.stderr.splitlines() if "Retrying in" in line]
            assert f"Stream '{STREAM}', window {window}" in line
            assert ASKED_AGAIN[kind][1] in line
            assert "(1 of 1)" in line
            assert not shows_key(output.text)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["empty", "no-header"])  # the others: test_api.py
def test_an_unusual_answer_is_understood(
    sandbox: Sandbox, settings: dict[str, Any], command: Command, kind: str, place: str, level: str
) -> None:
    bad = PLACES[place]
    sandbox.fail(kind, STREAM, start=bad)
    settings["max_retries"] = 1  # a line that does not end is requested once more
    output = command(settings, catalog=select(STREAM), TAP_COBROWSER_LOGLEVEL=level)
    assert output.code == 0, output.stderr
    found = output.records(STREAM)
    days = [(FIRST, 0)] if kind not in WITHOUT_ROWS else [(FIRST, bad + 1), (bad - 2, 0)]
    rows = [
        row
        for first, last in days
        for row in expected(sandbox.world, STREAM, days_ago(first), days_ago(last))
    ]
    if kind == "renamed-column":  # it is the last one, presetName
        rows = [{**row, "presetName": None} for row in rows]
        found = [{**row, "presetName": None} for row in found]
    assert ordered(found) == ordered(rows)
    assert output.bookmark(STREAM) == midnight(0)
    warnings = output.warnings
    assert len(warnings) == bool(UNDERSTOOD[kind]) * (2 if kind == "renamed-column" else 1)
    assert not warnings or UNDERSTOOD[kind] in "".join(warnings)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("start", [6, 4, 2])
def test_a_cut_that_leaves_csv_shows_by_the_line_that_does_not_end(
    sandbox: Sandbox, settings: dict[str, Any], start: int
) -> None:
    settings |= {"max_concurrent_requests": 1, "max_retries": 1}
    sandbox.fail("cut-quote", STREAM, start=start, times=1)
    output = run(settings, catalog=select(STREAM))
    assert sum(each.start == start for each in sandbox.requests) == 2
    assert ordered(output.records(STREAM)) == ordered(
        expected(sandbox.world, STREAM, days_ago(FIRST))
    )


@pytest.mark.parametrize("start", [FIRST, 4])
def test_words_that_say_that_there_is_nothing_need_no_line_end(
    sandbox: Sandbox, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    def say(reply: Any, *_: str) -> None:
        reply.body = b"No results found"

    monkeypatch.setitem(KINDS, "words", say)
    sandbox.fail("words", STREAM, start=start)
    config |= {"window_days": 1, "max_concurrent_requests": 1}
    output = run(config, catalog=select(STREAM))
    assert sum(each.start == start for each in sandbox.requests) == 1
    assert output.bookmark(STREAM) == midnight(0)


@pytest.mark.parametrize("window_days", [1, 2])
def test_a_clock_that_goes_back_does_not_make_past_days_future_ones(
    sandbox: Sandbox, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, window_days: int
) -> None:
    def set_back(reply: Any, *_: str) -> None:
        reply.headers["Date"] = format_datetime(NOW.astimezone(timezone.utc) - timedelta(6), True)

    monkeypatch.setitem(KINDS, "set-back", set_back)
    sandbox.fail("set-back", STREAM, start=4, times=1)
    config |= {"window_days": window_days, "max_concurrent_requests": 1, "max_retries": 2}
    output = run(config, catalog=select(STREAM))
    rows = expected(sandbox.world, STREAM, days_ago(FIRST))
    assert ordered(output.records(STREAM)) == ordered(rows)
    sandbox.fail("set-back", STREAM, start=4)
    outputs: list[Output] = []
    with pytest.raises(ClockError, match=r"clock went back|day changed"):
        run(config, catalog=select(STREAM), output=outputs)
    assert (outputs[0].bookmark(STREAM) or "") <= midnight(4)


def test_a_malformed_header_is_not_logged_with_a_traceback(
    config: dict[str, Any], command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def malform(reply: Any, *_: str) -> None:
        reply.headers["no colon\r\nX-Other"] = "1"

    monkeypatch.setitem(KINDS, "malformed", malform)
    sandbox.fail("malformed")
    output = command(config, catalog=select("accounts"))
    assert output.code == 0, output.stderr
    assert not output.warnings
    assert "Traceback" not in output.stderr


def test_an_error_of_one_stream_leaves_what_others_had_committed(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.fail("text", "slotsactivity", start=4)
    output = command(config, catalog=select("accounts", "agentactivity", "slotsactivity"))
    assert output.code == 1
    for stream in ("accounts", "agentactivity"):
        rows = expected(sandbox.world, stream, days_ago(FIRST))
        assert ordered(output.records(stream)) == ordered(rows)
    assert output.bookmark("agentactivity") == midnight(0)
    assert output.bookmark("slotsactivity") == midnight(4)
    # and the next run completes what was left
    sandbox.faults.clear()
    rest = command(config, catalog=select("slotsactivity"), state=output.states[-1])
    rows = expected(sandbox.world, "slotsactivity", days_ago(FIRST))
    both = {row["activity_id"]: row for row in rest.records("slotsactivity")}
    both |= {row["activity_id"]: row for row in output.records("slotsactivity")}
    assert ordered(list(both.values())) == ordered(rows)


@pytest.mark.parametrize("activate", [True, False])
def test_a_full_table_without_any_byte_is_warned_of_and_activates_no_version(
    sandbox: Sandbox, config: dict[str, Any], command: Command, *, activate: bool
) -> None:
    config["emit_activate_version_messages"] = activate
    whole = command(config, catalog=select("accounts"))
    assert len(whole.of_type("ACTIVATE_VERSION")) == activate
    sandbox.fail("empty", "accounts")
    output = command(config, catalog=select("accounts"))
    assert output.code == 0
    assert not output.records("accounts")
    assert not output.of_type("ACTIVATE_VERSION")
    (line,) = output.warnings
    assert "accounts" in line
    assert "is empty" in line


def test_no_activate_version_precedes_a_table_that_could_not_be_read(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    config["emit_activate_version_messages"] = True
    sandbox.fail("status-400", "accounts")
    output = command(config, catalog=select("accounts"))
    assert output.code == 1
    assert not output.of_type("ACTIVATE_VERSION")


def test_deselecting_the_column_is_the_way_past_a_cell_that_does_not_fit(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    sandbox.fail("bad-number", "accountspecshourly")
    broken = command(config, catalog=select("accountspecshourly"))
    assert broken.code == 1
    assert "column 'hourOfDay'" in broken.last_line
    assert "To continue without the column, deselect it in the catalog." in broken.last_line
    catalog = select("accountspecshourly", but={"accountspecshourly": ["hourOfDay"]})
    output = command(config, catalog=catalog)
    assert output.code == 0
    rows = expected(sandbox.world, "accountspecshourly", days_ago(FIRST))
    without = [{name: row[name] for name in row if name != "hourOfDay"} for row in rows]
    assert ordered(output.records("accountspecshourly")) == ordered(without)


def test_every_ccc_command_says_that_it_needs_a_ccc_agent(
    sandbox: Sandbox, config: dict[str, Any], command: Command
) -> None:
    config |= {"user": sandbox.plain_user, "api_key": sandbox.plain_api_key}
    output = command(config, catalog=select("cccslotsactivity"))
    assert output.code == 1
    assert "needs a CCC agent" in output.last_line
    assert not shows_key(output.stderr, sandbox.plain_api_key)


# Waits


class Waited(list[float]):
    """Waits, which pass at once; each is a number of seconds."""

    def of_tap(self) -> Time:
        """Return the time of a tap that waits here."""
        return Time(lambda: NOW, lambda: monotonic() + sum(self), self.append)


@pytest.fixture
def waited() -> Waited:
    return Waited()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_the_server_asks_for_is_kept_by_all_requests(
    sandbox: Sandbox,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    waited: Waited,
    form: str,
) -> None:
    after = "20" if form == "seconds" else format_datetime(NOW + timedelta(seconds=20))
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, after))
    sandbox.fail("busy", STREAM, times=1)
    output = run({**config, "max_retries": 1}, catalog=select(STREAM), time=waited.of_tap())
    assert ordered(output.records(STREAM)) == ordered(
        expected(sandbox.world, STREAM, days_ago(FIRST))
    )
    # the one that was refused, and those that were not yet sent
    assert max(waited) == pytest.approx(20, abs=1)


def _busy(reply: Any, after: str) -> None:
    reply.status, reply.headers["Retry-After"], reply.body = 503, after, b"Busy"


@pytest.mark.parametrize("after", ["3601", "99999999999", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_no_server_can_park_the_tap_for_hours(
    sandbox: Sandbox, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, after))
    sandbox.fail("busy", STREAM)
    with pytest.raises(PausedError, match="it asks to wait"):
        run({**config, "max_retries": 1}, catalog=select(STREAM))


def test_no_server_can_park_the_tap_for_hours_bit_by_bit_either(
    sandbox: Sandbox,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    waited: Waited,
) -> None:
    monkeypatch.setitem(KINDS, "busy", lambda reply, _: _busy(reply, "1500"))
    sandbox.fail("busy", STREAM)
    with pytest.raises(PausedError, match=r"window .*: .*it asks to wait 4500 seconds in all"):
        run(
            {**config, "max_retries": 9, "max_concurrent_requests": 1},
            catalog=select(STREAM),
            time=waited.of_tap(),
        )
    assert sum(waited) < 3700 * 2  # of one request: the next one began to wait beside it


def test_waits_grow_and_are_spread_and_end_after_max_retries(
    sandbox: Sandbox,
    config: dict[str, Any],
    waited: Waited,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.fail("status-500", STREAM)
    config |= {"max_retries": 8, "max_concurrent_requests": 1}
    with caplog.at_level(logging.WARNING), pytest.raises(ServerBusyError):
        run(config, catalog=select(STREAM), time=waited.of_tap())
    # of the first window; the next may be asked for before it is known that there is no use
    assert [each.start for each in sandbox.requests].count(FIRST) == 9
    # of this run, since a request of the test before may still be waiting, and of that window alone
    window = f"window {days_ago(FIRST)}"
    retries = [line for line in caplog.messages if window in line and line.endswith("of 8).")]
    assert [line.rsplit("(", 1)[1] for line in retries] == [
        f"{number} of 8)." for number in range(1, 9)
    ]
    # 1, 2, 4 ... seconds, a minute at most, and up to a second more
    waits = [float(line.split("Retrying in ")[1].split(" ")[0]) for line in retries]
    least = [min(2**number, 60) for number in range(8)]
    assert all(low <= wait <= low + 1 for low, wait in zip(least, waits, strict=True))
    assert any(wait % 1 for wait in waits)
    assert sum(waited) >= sum(waits) - 1


# The key


def test_no_redirect_takes_the_key_elsewhere(
    sandbox: Sandbox, config: dict[str, Any], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(World(rows_per_day=1)) as elsewhere:

        def redirect(reply: Any, path: str) -> None:
            place = elsewhere.url.split("/generic")[0] + path
            reply.status, reply.headers["Location"], reply.body = 302, place, b""

        monkeypatch.setitem(KINDS, "redirect", redirect)
        sandbox.fail("redirect")
        output = command(config, catalog=select("accounts"))
        assert output.code == 1
        assert "The server returned 302" in output.last_line
        assert not elsewhere.requests


KEYS = ["abcd", "****", "%2525", "a\"b\\c'd", "sleutel é€😀", "a b+c/d=e&f#g?h", "<b>&amp;</b>"]


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Sandbox, "api_key", request.param)
    return str(request.param)


@pytest.mark.parametrize("kind", ["status-400", "html", "text", "json", "reset", "no-key"])
def test_a_key_of_any_letters_stays_out_of_a_debug_log(
    sandbox: Sandbox, config: dict[str, Any], command: Command, key: str, kind: str
) -> None:
    sandbox.fail(kind)
    output = command(
        {**config, "api_key": key}, catalog=select("accounts"), TAP_COBROWSER_LOGLEVEL="DEBUG"
    )
    assert output.code == 1
    # urllib3 logs the address, with the key struck out
    assert "csv.php" in output.stderr or kind == "reset"
    # "abcd" and "****" could stand in a log by chance: look where a key would stand
    assert f"apiKey={key}" not in output.stderr
    if key not in {"****", "abcd"}:
        assert not shows_key(output.stderr, key)


def test_structured_logs_do_not_show_the_key_either(
    sandbox: Sandbox, config: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    logs = {
        "version": 1,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "DEBUG", "handlers": ["console"]},
    }
    path = tmp_path / "logging.json"
    path.write_text(json.dumps(logs), encoding="utf-8")
    sandbox.fail("reset")
    output = command(
        config,
        catalog=select("accounts"),
        SINGER_SDK_LOG_CONFIG=str(path),
        TAP_COBROWSER_LOGLEVEL="DEBUG",
    )
    assert output.code == 1
    lines = [json.loads(line) for line in output.stderr.splitlines() if line.startswith("{")]
    assert "closed the connection" in lines[-1]["message"]


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


def test_a_certificate_that_nobody_vouches_for_is_refused_and_a_custom_ca_is_taken(
    sandbox: Sandbox, config: dict[str, Any], command: Command, encrypted: Path
) -> None:
    config["api_url"] = sandbox.url.replace("http:", "https:")
    trusted = command(config, catalog=select("accounts"), REQUESTS_CA_BUNDLE=str(encrypted))
    assert trusted.code == 0, trusted.stderr
    assert ordered(trusted.records("accounts")) == ordered(
        expected(sandbox.world, "accounts", TODAY)
    )
    sandbox.requests.clear()
    refused = command({**config, "max_retries": 3}, catalog=select("accounts"))
    assert refused.code == 1
    assert "Stream 'accounts': The server's certificate is not trusted: " in refused.last_line
    assert CertificateError.advice in refused.last_line
    assert "Retrying" not in refused.stderr  # it will not be trusted the next time either
    assert not sandbox.requests


def test_a_ca_file_that_is_not_there_is_told(
    config: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    config["api_url"] = "https://127.0.0.1:9/csv.php"
    missing = str(tmp_path / "there is none.pem")
    output = command(config, catalog=select("accounts"), REQUESTS_CA_BUNDLE=missing)
    assert output.code == 1
    assert "there is none.pem" in output.last_line
    assert "REQUESTS_CA_BUNDLE" in output.last_line


def test_today_is_part_of_what_is_read(sandbox: Sandbox, config: dict[str, Any]) -> None:
    run(config, catalog=select(STREAM))
    assert sandbox.requests[-1].at.date() == TODAY
    assert min(each.stop for each in sandbox.requests if each.stop is not None) == 0


# All that can pass, at random, over half a year


CAN_PASS = sorted(ASKED_AGAIN.keys() - {"hang"} | {"cut-quote"})


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_half_a_year_of_all_streams_survives_one_failure_in_five_requests(
    config: dict[str, Any], waited: Waited
) -> None:
    world = World(rows_per_day=4)
    with Sandbox(world, clock=NOW, frozen=True) as sandbox:
        for kind in CAN_PASS:
            sandbox.fail(kind, one_in=5 * len(CAN_PASS) - len(CAN_PASS) // 2)
        config |= {
            "api_url": sandbox.url,
            "start_date": days_ago(183).isoformat(),
            "max_retries": 12,
            "window_days": 2,
        }
        output = run(config, time=waited.of_tap())
        failed = sum(each.status != 200 for each in sandbox.requests)
        least = 8 * 92 + 7
        assert len(sandbox.requests) > least * 1.15
        assert failed > least / 20  # some kinds fail with status 200
    for stream in TABLES:
        rows = expected(world, stream, days_ago(183))
        assert ordered(output.records(stream)) == ordered(rows), stream
        if stream in WINDOWED:
            assert output.bookmark(stream) == midnight(0)
    assert len(output.states) == least
    assert waited
