"""The sandbox's days, and the records that the tap should emit for its rows."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from sandbox.world import TABLES, WITHOUT_RANGE
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox import World
    from tap_cobrowser.client import CobrowserStream

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=AMSTERDAM)
TODAY = NOW.date()
STREAMS = TapCobrowser(config={"ccc_agent": True}, validate_config=False).streams
COMMANDS = {name: cast("CobrowserStream", stream).command for name, stream in STREAMS.items()}
WINDOWED = [name for name in STREAMS if name not in WITHOUT_RANGE]


def days_ago(days: int) -> date:
    """Return a day before the sandbox's today."""
    return TODAY - timedelta(days=days)


def expected(
    world: World,
    stream: str,
    first: date,
    last: date = TODAY,
    now: datetime = NOW,
) -> list[dict[str, Any]]:
    """Return the records that the tap should emit for the sandbox's rows."""
    return records_for(stream, world.rows(stream, first, last, now))


def records_for(stream: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the records that the tap should emit for rows of the sandbox."""
    properties = STREAMS[stream].schema["properties"]
    keys = {*STREAMS[stream].primary_keys, STREAMS[stream].replication_key}
    names = TABLES[stream]
    return [
        {
            name: _singer(value, properties[name], key=name in keys)
            for name, value in zip(names, row, strict=True)
        }
        for row in rows
    ]


def _singer(value: object, definition: dict[str, Any], *, key: bool) -> object:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if value is None or value == "":
        return "" if key else None
    if "boolean" in definition["type"]:
        return bool(int(str(value)))
    if "number" in definition["type"]:
        return float(str(value))
    if "string" in definition["type"]:
        return str(value)
    return value


def ordered(records: list[dict[str, Any]]) -> list[str]:
    """Return records in a form that can be compared without regard to order."""
    return sorted(json.dumps(record, sort_keys=True) for record in records)
