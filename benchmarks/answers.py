"""The responses that all programs get, and the usual way to read them in Python."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from benchmarks.floor import DATE, INTEGERS, NUMBERS, STREAM
from sandbox.world import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = ZoneInfo("Europe/Amsterdam")
KEY = ("browse_id", DATE)


def conversations(window: int, rows: int) -> bytes:
    """Return the response to two days: 21 columns, about 350 bytes per row, a few empty cells.

    Args:
        window: Number of windows between it and the last one, today's.
        rows: Number of rows.
    """
    chance = Random(window)
    begin = datetime.now(ZONE).replace(hour=8, minute=0, second=0, microsecond=0)
    begin -= timedelta(days=2 * window + 1)
    lines = [";".join(f'"{name}"' for name in TABLES[STREAM])]
    for row in range(rows):
        values = {
            # ten hours of each day
            DATE: format_datetime(begin + timedelta(days=row % 2, seconds=row * 36_000 // rows)),
            "browse_id": f"{window:06}{row:08}",
            "account_id": chance.randrange(1000, 1020),
            "num_messages": chance.randrange(2, 40),
            "duration_secs": chance.randrange(20, 1800),
            "avgMessageLength": f"{chance.uniform(10, 90):.2f}",
            "maxMessageLength": chance.randrange(90, 400),
            "last_agent_id": chance.randrange(2000, 2100),
            "reseller_id": "017",
            "visitor_id": f"{chance.getrandbits(40):012}",
            "requestType": chance.choice(("ask_reactive", "ask_proactive")),
            "assigned_agent_id": chance.randrange(2000, 2100),
            "acceptUrl": "https://www.groenewinkel.example/tuin/winkelwagen",
            "accept_host_id": "503",
            "decisionTime": f"{chance.uniform(1, 20):.1f}",
            "firstResponseTime": f"{chance.uniform(1, 60):.1f}",
            "transcriptUrl": f"https://client.cobrowser.net/transcript/{row:08}",
            "avgResponseTime": f"{chance.uniform(1, 60):.2f}" if chance.randrange(10) else "",
            "maxResponseTime": f"{chance.uniform(10, 90):.2f}",
            "successcode": chance.choice(("", "", "sale")),
            "firstReplyTime": f"{chance.uniform(1, 30):.1f}" if chance.randrange(10) else "",
        }
        lines.append(";".join(f'"{values[name]}"' for name in TABLES[STREAM]))
    return "".join(f"{line}\r\n" for line in lines).encode()


def earlier(body: bytes, days: int) -> bytes:
    """Return an answer with its rows at the same hours, so many days earlier."""
    moved: dict[bytes, bytes] = {}

    def move(found: re.Match[bytes]) -> bytes:
        day = found[1]
        if day not in moved:
            moment = parsedate_to_datetime(f"{day.decode()} 08:00:00 +0000").replace(tzinfo=ZONE)
            then = format_datetime(moment - timedelta(days=days)).encode()
            moved[day] = then.replace(b"08:00:00", b"%b")
        return moved[day] % found[2]

    return re.sub(rb"(\w{3}, \d\d \w{3} \d{4}) (\d\d:\d\d:\d\d) [+-]\d{4}", move, body)


def usual_records(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a response, read as most taps do: cell by cell, row by row."""
    for row in csv.DictReader(io.StringIO(body.decode(), newline=""), delimiter=";"):
        record: dict[str, Any] = {}
        for name, cell in row.items():
            if cell == "":
                record[name] = None
            elif name == DATE:
                record[name] = parsedate_to_datetime(cell).astimezone(timezone.utc).isoformat()
            elif name in INTEGERS:
                record[name] = int(cell)
            elif name in NUMBERS:
                record[name] = float(cell)
            else:
                record[name] = cell
        yield record
