"""What tests ask of a sandbox: responses over HTTP, and rows by the names of their columns."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import requests

from sandbox.page import COMMANDS
from tests.expected import NOW, TODAY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from sandbox import Sandbox, World


def get(sandbox: Sandbox, command: str, **query: object) -> requests.Response:
    """Request a command; a parameter that is None is not sent."""
    sent = {"user": sandbox.user, "apiKey": sandbox.api_key, "c": command, **query}
    return requests.get(
        sandbox.url,
        {name: str(value) for name, value in sent.items() if value is not None},
        timeout=10,
    )


def ids(response: requests.Response) -> list[str]:
    """Return the second column of a response, which is the id of an email."""
    return [row[1] for row in csv.reader(io.StringIO(response.text, newline=""), delimiter=";")][1:]


def named(command: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return rows by the names of their columns."""
    return [dict(zip(COMMANDS[command].columns, row, strict=True)) for row in rows]


def rows_of(
    world: World, command: str, first: date, last: date = TODAY, now: datetime = NOW
) -> list[dict[str, Any]]:
    """Return the rows of some days."""
    return named(command, world.rows(command, first, last, now))
