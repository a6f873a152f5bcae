"""A minimal program that reads the responses and writes Singer messages: no SDK, no checks.

Run as `python -m benchmarks.floor ADDRESS WINDOWS IN_FLIGHT`.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3

STREAM, DATE = "conversations", "conversation_start"
INTEGERS = {"num_messages"}
NUMBERS = {
    "duration_secs",
    "avgMessageLength",
    "maxMessageLength",
    "decisionTime",
    "firstResponseTime",
    "avgResponseTime",
    "maxResponseTime",
    "firstReplyTime",
}

if TYPE_CHECKING:
    from collections.abc import Sequence


class Hours(dict[str, str]):
    """Hours of RFC 2822 that were met, in UTC."""

    def __missing__(self, hour: str) -> str:
        """Work out an hour."""
        moment = parsedate_to_datetime(f"{hour[:19]}:00:00{hour[19:]}")
        self[hour] = moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H")
        return self[hour]


def convert(name: str, cells: Sequence[str], hours: Hours) -> Sequence[Any]:
    """Return the values of a column."""
    if name == DATE:
        return [f"{hours[cell[:19] + cell[25:]]}{cell[19:25]}+00:00" for cell in cells]
    if name in INTEGERS:
        return [int(cell) if cell else None for cell in cells]
    if name in NUMBERS:
        return [float(cell) if cell else None for cell in cells]
    return [cell or None for cell in cells] if "" in cells else cells


def main(address: str, windows: int, in_flight: int) -> None:
    """Fetch, parse, encode, write."""
    pool = urllib3.PoolManager(maxsize=in_flight)
    hours = Hours()

    def fetch(window: int) -> bytes:
        query = f"c={STREAM}&start={2 * window + 1}&stop={2 * window}"
        return pool.request("GET", f"{address}/csv.php?{query}").data

    record = message = None
    with ThreadPoolExecutor(in_flight) as threads:
        for body in threads.map(fetch, range(windows - 1, -1, -1)):
            rows = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=";")
            names = next(rows)
            cells = zip(*rows, strict=True)
            columns = [convert(name, each, hours) for name, each in zip(names, cells, strict=True)]
            if record is None or message is None:
                fields = [f"c{at}" for at in range(len(names))]
                renamed = dict(zip(fields, names, strict=True))
                record = msgspec.defstruct("Record", fields, rename=renamed, gc=False)
                parts = ["type", "stream", "record", "time_extracted"]
                message = msgspec.defstruct("Message", parts, gc=False)
            now = datetime.now(timezone.utc)
            lines = msgspec.json.Encoder().encode_lines(
                [message("RECORD", STREAM, each, now) for each in map(record, *columns)]
            )
            left = memoryview(lines)
            while left:
                left = left[os.write(1, left[:65536]) :]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
