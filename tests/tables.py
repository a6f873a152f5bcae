"""Small commands, tables and responses, for the checks of responses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tap_cobrowser.days import DateWindow
from tap_cobrowser.models import Column, Command, Response, Table
from tests.expected import AMSTERDAM, TODAY

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

EVENTS = Command(
    "emails",
    (
        Column("id", "string", key=True),
        Column("timestamp", "date-time", key=True),
        Column("subject", "string"),
    ),
    keys=("id",),
    dated="timestamp",
    windowed=True,
)
STATES = replace(EVENTS, name="agentactivity", reaches_back=True)
HOURS = Command(
    "accountspecshourly",
    (Column("account_id", "string", key=True), Column("hourBegin_time", "date-time", key=True)),
    keys=("account_id", "hourBegin_time"),
    dated="hourBegin_time",
    windowed=True,
)


def moment(day: date, time: str = "12:00:00", zone: ZoneInfo = AMSTERDAM) -> str:
    """Return a local time of a day as the reader writes date-times."""
    local = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=zone)
    return local.astimezone(timezone.utc).isoformat()


def events(*rows: tuple[str, str] | tuple[str, str, str]) -> Table:
    """Return a table of EVENTS: the id, the moment and perhaps the subject of each row."""
    names = tuple(column.name for column in EVENTS.columns)
    whole: list[tuple[Any, ...]] = [(*row, "")[:3] for row in rows]
    return Table(names, tuple(zip(*whole, strict=True)) or ((), (), ()))


def response(window: DateWindow | None, table: Table, today: date = TODAY) -> Response:
    """Return a response to some days."""
    extracted = datetime(2026, 11, 22, 13, 30, tzinfo=timezone.utc)
    return Response("emails", window, table, today, extracted)


def days(first: date, count: int = 1) -> DateWindow:
    """Return a window of a number of days."""
    return DateWindow(first, first + timedelta(days=count - 1))
