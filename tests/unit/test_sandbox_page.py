"""The sandbox follows the API's page, and so does the tap."""

from __future__ import annotations

import csv
import io
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.page import CCC_ONLY, COMMANDS
from tests.expected import NOW, STREAMS
from tests.sandboxes import get

if TYPE_CHECKING:
    from sandbox import Sandbox


def test_the_tap_and_the_sandbox_have_the_same_commands() -> None:
    only_tap, only_sandbox = STREAMS.keys() - COMMANDS.keys(), COMMANDS.keys() - STREAMS.keys()
    assert not only_tap, f"add {only_tap} to sandbox/page.py, and their rows to sandbox/world.py"
    assert not only_sandbox, f"add {only_sandbox} to tap_cobrowser/streams.py"


@pytest.mark.parametrize("name", STREAMS)
def test_the_tap_and_the_sandbox_agree_on_columns_and_keys(name: str) -> None:
    command, stream = COMMANDS[name], STREAMS[name]
    assert tuple(stream.schema["properties"]) == command.columns
    assert tuple(stream.primary_keys or ()) == command.key
    assert stream.replication_key == command.day


def test_a_command_that_is_not_on_the_page_is_an_error_that_names_the_file() -> None:
    with pytest.raises(KeyError, match=r"'no such'; add it to sandbox/page\.py"):
        _ = COMMANDS["no such"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_response_has_a_header_and_all_values_quoted(sandbox: Sandbox, command: str) -> None:
    response = get(sandbox, command, start=1, stop=0)
    assert response.status_code == 200
    found = list(csv.reader(io.StringIO(response.text, newline=""), delimiter=";", strict=True))
    assert tuple(found[0]) == COMMANDS[command].columns
    assert len(found) > 1
    assert {len(row) for row in found} == {len(COMMANDS[command].columns)}
    quoted = r'"(?:[^"]|"")*"'
    assert re.fullmatch(rf"(?:{quoted}(?:;{quoted})*\n)+", response.text)


def test_the_date_header_shows_the_sandbox_s_own_clock(sandbox: Sandbox) -> None:
    date_header = get(sandbox, "accounts").headers["Date"]
    assert parsedate_to_datetime(date_header) == NOW
    assert date_header.endswith("GMT")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"apiKey": "wrong"}, 401),
        ({"apiKey": None}, 401),
        ({"user": "CCC@sandbox.example"}, 401),
        ({"c": "nothing"}, 400),
        ({"start": 2, "stop": 0}, 400),
        ({"start": 0, "stop": 1}, 400),
        ({"start": -1, "stop": -1}, 400),
        ({"start": "x"}, 400),
        ({"start": 9, "stop": 8}, 200),
        ({"start": 0}, 200),
        ({}, 200),
        ({"csvseperator": "\t"}, 400),
        ({"csvseperator": "|"}, 200),
    ],
)
def test_a_request_against_the_rules_of_the_page_is_rejected(
    sandbox: Sandbox, query: dict[str, Any], status: int
) -> None:
    assert get(sandbox, **{"command": query.pop("c", "emails"), **query}).status_code == status


@pytest.mark.parametrize("command", sorted(CCC_ONLY))
def test_ccc_commands_are_rejected_for_plain_agents(sandbox: Sandbox, command: str) -> None:
    plain = {"user": sandbox.plain_user, "apiKey": sandbox.plain_api_key}
    assert get(sandbox, command, **plain).status_code == 403
    assert get(sandbox, "agents", **plain).status_code == 200


def test_the_server_listens_on_loopback_only(sandbox: Sandbox) -> None:
    assert sandbox._server.server_address[0] == "127.0.0.1"
    assert sandbox.url.startswith("http://127.0.0.1:")
