"""A CoBrowser.net whose responses are rendered in advance, so that it is never the bottleneck.

Responses to other commands than conversations are rendered at their first request, and kept.

Run as `python -m benchmarks.server ROWS WINDOWS`; prints its address. The first part of a path is
the latency in milliseconds: `/200/csv.php?...`. `/requests` returns the number of requests since it
was last requested.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from benchmarks.answers import ZONE, conversations, earlier
from benchmarks.floor import STREAM
from sandbox import World
from sandbox.writing import csv_of


class Handler(BaseHTTPRequestHandler):
    """Responds from memory."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 20
    windows: tuple[bytes, ...] = ()
    counter = count()

    def do_GET(self) -> None:
        """Respond after the latency."""
        parts = urlsplit(self.path)
        if parts.path == "/requests":
            body = b"%d" % next(self.counter)
            type(self).counter = count()
        else:
            next(self.counter)
            time.sleep(int(parts.path.split("/")[1]) / 1000)
            query = dict(parse_qsl(parts.query))
            if query["c"] == STREAM:
                body = _rows_of(self.windows, int(query["start"]), int(query["stop"]))
            else:
                days = (int(query.get(name, 0)) for name in ("start", "stop"))
                body = _other(query["c"], *days)
        self.send_response(200)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """Threads that end with the process."""

    daemon_threads = True
    request_queue_size = 64


def _rows_of(windows: tuple[bytes, ...], start: int, stop: int) -> bytes:
    """Return the rows of the days from `start` to `stop` days ago."""
    if start == stop + 1 and stop % 2 == 0:
        return _window(windows, stop // 2)
    lines: list[bytes] = []
    for ago in range(start, stop - 1, -1):
        header, *of_both = _window(windows, ago // 2).splitlines(keepends=True)
        # rows are of the older and the newer day in turns
        lines += [*([] if lines else [header]), *of_both[1 - ago % 2 :: 2]]
    return b"".join(lines)


def _window(windows: tuple[bytes, ...], number: int) -> bytes:
    """Return the rows of two days; a history longer than what was rendered repeats it."""
    times, window = divmod(number, len(windows))
    body = windows[window]
    return earlier(body, 2 * len(windows) * times) if times else body


@cache
def _other(command: str, start: int, stop: int) -> bytes:
    now = datetime.now(ZONE)
    first, last = (now.date() - timedelta(days=ago) for ago in (start, stop))
    rows = World(rows_per_day=60).rows(command, first, last, now)
    return b"".join(csv_of(command, ";", rows))


def main(rows: int, windows: int) -> None:
    """Render, and serve until the process is ended."""
    Handler.windows = tuple(conversations(window, rows) for window in range(windows))
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
