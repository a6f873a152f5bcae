"""The key appears in no output, whatever the server or a user does with it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from random import Random
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.faults import KINDS
from tap_cobrowser import redaction
from tap_cobrowser.api.fetch import Api
from tap_cobrowser.client import CobrowserStream
from tap_cobrowser.days import DateWindow
from tap_cobrowser.errors import TapCobrowserError
from tap_cobrowser.settings import check
from tap_cobrowser.tap import TapCobrowser
from tests.expected import days_ago
from tests.keys import ENCODINGS, shown_pieces
from tests.made_up import Waits
from tests.outputs import Command, select

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox
    from sandbox.faults import Reply
    from tap_cobrowser.models import Command as ApiCommand

Echo = Callable[..., None]
"""Takes a reply, the path of the request, and by name the text to put into the reply."""

STREAM = "slotsactivity"
WINDOW = DateWindow(days_ago(4), days_ago(3))


def _header(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1").strip()


def _status(status: int) -> Echo:
    def change(reply: Reply, _: str, text: str) -> None:
        reply.status, reply.body = status, f"Not for {text}, sorry".encode()

    return change


def _reason(reply: Reply, _: str, text: str) -> None:
    reply.status, reply.reason, reply.body = 400, _header(f"No {text}"), b""


def _location(reply: Reply, _: str, text: str) -> None:
    reply.status, reply.headers["Location"] = HTTPStatus.FOUND, _header(f"https://a/?k={text}")
    reply.body = f'Moved to <a href="https://a/?k={text}">'.encode()


def _coding(reply: Reply, _: str, text: str) -> None:
    reply.headers["Content-Encoding"] = _header(text) or "?"


def _column(reply: Reply, _: str, text: str) -> None:
    header, rest = reply.body.split(b"\n", 1)
    name = text.replace('"', '""')
    reply.body = header.replace(b'"presetName"', f'"{name}"'.encode()) + b"\n" + rest


def _cell(reply: Reply, _: str, text: str) -> None:
    header, first, rest = reply.body.split(b"\n", 2)
    names = header.replace(b'"', b"").split(b";")
    cells = first.split(b";")
    cells[names.index(b"numslots_used")] = ('"' + text.replace('"', '""') + '"').encode()
    reply.body = b"\n".join((header, b";".join(cells), rest))


def _body(form: str) -> Echo:
    def change(reply: Reply, _: str, text: str) -> None:
        reply.body = form.replace("KEY", text).encode()

    return change


PLACES: dict[str, Echo] = {
    **{str(status): _status(status) for status in (302, 400, 401, 403, 429, 503)},
    "reason": _reason,
    "Location": _location,
    "Content-Encoding": _coding,
    "column": _column,
    "cell": _cell,
    "text": _body("Sorry, no data for KEY"),
    "long text": _body("x" * 190 + "KEY"),
    "HTML": _body("<!DOCTYPE html><p>KEY</p>"),
    "JSON": _body('{"error": "KEY"}'),
    "PHP": _body("<b>Fatal error</b>: KEY on line 1"),
    "cut": _body('"activity_id";"agent_id";"KEY'),
}


def _key(chance: Random) -> str:
    """Return a key as services hand them out, or one of what is hard to spell."""
    alphabet = chance.choice([ascii_letters + digits, "0123456789abcdef", ascii_letters + "+/=&%_"])
    return "".join(chance.choice(alphabet) for _ in range(chance.randrange(8, 41)))


def _said(api: Api, command: ApiCommand) -> list[str]:
    """Return all output about a request for a window."""
    try:
        response = api.fetch(command, WINDOW)
    except TapCobrowserError as error:
        return [str(error), repr(error.__cause__), repr(error.__context__)]
    return [notice.text for notice in response.table.notices]


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 1000), marks=pytest.mark.long)], ids=len
)
def test_an_echo_of_the_key_in_any_encoding_cut_anywhere_is_not_quoted(
    sandbox: Sandbox,
    seeds: range,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = TapCobrowser(config=config, catalog=select(STREAM)).streams[STREAM]
    assert isinstance(stream, CobrowserStream)
    all_said: list[str] = []
    for seed in seeds:
        chance = Random(seed)
        key, place = _key(chance), chance.choice([*PLACES])
        encoding = chance.choice([*ENCODINGS])
        text = ENCODINGS[encoding](key)
        text = chance.choice([text, text.upper(), text.lower()])
        begin = chance.choice([0, chance.randrange(len(text))])
        text = text[begin : chance.choice([None, chance.randrange(begin, len(text) + 1)])]
        monkeypatch.setattr(redaction, "_forms", {})
        monkeypatch.setitem(KINDS, "echo", partial(PLACES[place], text=text))
        monkeypatch.setattr(sandbox, "api_key", key)
        sandbox.faults.clear()
        sandbox.fail("echo", STREAM)
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            settings = check({**config, "api_key": key, "max_retries": 1})
            said = _said(Api(settings, time=Waits().of_tap()), stream.command)
        said += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
        assert not shown_pieces("\n".join(said), key), (place, encoding, text)
        all_said += said
    assert sum("(not quoted: " in line for line in all_said) >= len(seeds) / 2


KEY = "quite-A-Hidden-4242"
INLINE = json.dumps({"user": "a", "api_key": KEY})
ARGUMENTS = {
    "JSON as configuration": ["--config", INLINE],
    "a stray argument": [KEY],
    "an option that is none": [f"--api_key={KEY}"],
    "an option that is the key": [f"--{KEY}"],
    "a format": ["--about", "--format", KEY],
    "a file": ["--config", f"{KEY}.json"],
    "a value for a flag": [f"--discover={KEY}"],
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_no_argument_of_the_command_line_is_quoted(command: Command, arguments: list[str]) -> None:
    output = command(None, *arguments, TAP_COBROWSER_LOGLEVEL="DEBUG")
    assert output.code == 1
    assert not shown_pieces(output.stderr + output.text, KEY)
    assert output.stderr.count("| ERROR") == 1


CONTENTS = {
    "no JSON": f"api_key: {KEY}",
    "pairs": json.dumps([["api_key", KEY]]),
    "deep": "[" * 100_000 + KEY,
    "a key of another type": json.dumps({"user": "a", "api_key": [KEY]}),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_nothing_of_a_configuration_is_quoted(
    command: Command, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    output = command(None, "--config", str(path))
    assert output.code == 1
    assert not shown_pieces(output.stderr, KEY)
    assert "Traceback" not in output.stderr
    assert "defect" not in output.stderr


@pytest.mark.parametrize("key", ["e", " ", "   a", "abc"])
def test_a_key_that_is_too_short_hides_nothing(
    command: Command, config: dict[str, Any], key: str
) -> None:
    output = command({**config, "api_key": key})
    assert output.code == 1
    assert "Setting 'api_key' is " in output.last_line
    assert "not quoted" not in output.stderr


def test_the_api_client_alone_logs_no_key_by_any_handler(config: dict[str, Any]) -> None:
    program = (
        "import json, logging, sys; logging.basicConfig(level=logging.DEBUG)\n"
        "from tap_cobrowser.api.fetch import Api\n"
        "from tap_cobrowser.models import Command\n"
        "from tap_cobrowser.settings import check\n"
        "logging.getLogger('urllib3.connectionpool').setLevel(logging.DEBUG)\n"
        "try: Api(check(json.load(sys.stdin))).fetch(Command('hosts', (), ()))\n"
        "except Exception as error: logging.exception('it failed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(config),
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert "it failed" in done.stderr
    assert not shown_pieces(done.stderr, config["api_key"][len("sandbox") :])
