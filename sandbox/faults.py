"""Faults on demand: what an API may return instead of the documented CSV.

Each kind of fault changes a correct response. Tests use them, and users can test their alerts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox.page import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Reply:
    """A response.

    Attributes:
        status: HTTP status.
        headers: Its headers; one that is None is not sent.
        body: Its body.
        cut: Whether the connection is closed before the end of the body.
        reset: Whether the connection is closed without a response.
        hang: Whether nothing is ever sent.
        reason: Its reason phrase; None for the usual one.
    """

    status: int
    headers: dict[str, str | None]
    body: bytes
    cut: bool = False
    reset: bool = False
    hang: bool = False
    reason: str | None = None


KINDS: dict[str, Callable[[Reply, str], None]] = {}
"""Kinds of faults by name. The second argument is the request's path, which contains the key."""


@dataclass
class Fault:
    """A kind of fault, and which requests have it.

    Attributes:
        kind: Its name in KINDS.
        command: Only requests for this command; None for all.
        times: Number of requests that still fail; None for all.
        after: Number of requests that succeed before.
        one_in: One in this many requests fails, at random; None for each.
        start: Only requests whose range begins this many days ago.

    Raises:
        KeyError: If there is no such kind or command.
    """

    kind: str
    command: str | None = None
    times: int | None = None
    after: int = 0
    one_in: int | None = None
    start: int | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        if self.kind not in KINDS:
            raise KeyError(f"there is no fault {self.kind}; see --list-faults")
        if self.command is not None and self.command not in COMMANDS:
            raise KeyError(f"there is no command {self.command}")


def _kind(name: str) -> Callable[[Callable[[Reply, str], None]], Callable[[Reply, str], None]]:
    def register(change: Callable[[Reply, str], None]) -> Callable[[Reply, str], None]:
        KINDS[name] = change
        return change

    return register


def _status(status: HTTPStatus, text: str, **headers: str) -> None:
    @_kind(f"status-{status.value}")
    def change(reply: Reply, path: str) -> None:
        reply.status = status
        reply.body = text.format(path=path).encode()
        reply.headers["Content-Type"] = "text/plain"
        reply.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    change.__doc__ = f"Return {status.value} {status.phrase}."


for _code in (400, 404, 408, 425, 500, 502, 503, 504):
    _status(HTTPStatus(_code), "Something went wrong with {path}")
_status(HTTPStatus.UNAUTHORIZED, "Invalid user or API key in {path}")
_status(HTTPStatus.FORBIDDEN, "Not allowed: {path}")
_status(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", Retry_After="1")
_status(HTTPStatus.PARTIAL_CONTENT, "half of {path}")
_status(HTTPStatus.FOUND, "Moved", Location="https://login.example/?from=csv")


def _rate_limit(name: str, status: int, text: str) -> None:
    @_kind(f"retry-after-{name}")
    def change(reply: Reply, _: str) -> None:
        reply.status, reply.body = status, text.encode()
        reply.headers |= {"Content-Type": "text/plain", "Retry-After": "1"}

    change.__doc__ = f"Return {status} and {text!r}, with a Retry-After of one second."


_rate_limit("403", 403, "Rate limit exceeded")
_rate_limit("400", 400, "Quota exceeded")
_rate_limit("text", 200, "Too many exports at once, please wait")
_rate_limit("json", 200, '{"error": "rate limit exceeded"}')


@_kind("retry-after-rows")
def _retry_rows(reply: Reply, _: str) -> None:
    """Return the rows with a Retry-After of one second."""
    reply.headers["Retry-After"] = "1"


@_kind("retry-after-date")
def _retry_date(reply: Reply, _: str) -> None:
    """Return 503 with a Retry-After two seconds after its Date."""
    date = parsedate_to_datetime(reply.headers["Date"] or "")
    reply.status, reply.body = 503, b"Down for maintenance"
    reply.headers["Retry-After"] = format_datetime(date + timedelta(seconds=2), usegmt=True)


@_kind("retry-after-hours")
def _hours(reply: Reply, _: str) -> None:
    """Return 503 with a Retry-After of two hours."""
    reply.status, reply.body = 503, b"Down for maintenance"
    reply.headers["Retry-After"] = "7200"


@_kind("reset")
def _reset(reply: Reply, _: str) -> None:
    """Close the connection without a response."""
    reply.reset = True


@_kind("hang")
def _hang(reply: Reply, _: str) -> None:
    """Send no response, and keep the connection open."""
    reply.hang = True


@_kind("cut")
def _cut(reply: Reply, _: str) -> None:
    """Close the connection before the end of the body."""
    reply.cut = True


@_kind("cut-text")
def _cut_text(reply: Reply, _: str) -> None:
    """End inside a quoted cell, with a matching Content-Length."""
    reply.body = reply.body.rstrip()[:-2]


@_kind("cut-quote")
def _cut_quote(reply: Reply, _: str) -> None:
    """End after a quote inside a text, so that the rest is valid CSV."""
    for found in reversed([*re.finditer(rb'[^;\n"]""(?!")', reply.body)]):
        reply.body = reply.body[: found.end() - 1]
        break


@_kind("no-line-end")
def _no_line_end(reply: Reply, _: str) -> None:
    """Leave out the last line end."""
    reply.body = reply.body.rstrip(b"\n")


@_kind("html")
def _html(reply: Reply, path: str) -> None:
    """Return 200 with an HTML page that echoes the request."""
    reply.body = f"<!DOCTYPE html><html><body>Maintenance. {path}</body></html>".encode()
    reply.headers["Content-Type"] = "text/html"


@_kind("php-error")
def _php_error(reply: Reply, _: str) -> None:
    """Append a PHP error to the rows."""
    reply.body += b"<br />\n<b>Fatal error</b>:  Allowed memory size exhausted in "
    reply.body += b"<b>/srv/csv.php</b> on line <b>41</b><br />\n"


@_kind("empty")
def _empty(reply: Reply, _: str) -> None:
    """Return an empty body."""
    reply.body = b""


@_kind("blank")
def _blank(reply: Reply, _: str) -> None:
    """Return a blank line."""
    reply.body = b"\n"


@_kind("header-only")
def _header_only(reply: Reply, _: str) -> None:
    """Return a header without rows."""
    reply.body = reply.body.split(b"\n", 1)[0] + b"\n"


@_kind("status-204")
def _no_content(reply: Reply, _: str) -> None:
    """Return 204 No Content."""
    reply.status, reply.body = 204, b""


@_kind("json")
def _json(reply: Reply, path: str) -> None:
    """Return 200 with JSON that echoes the request."""
    reply.body = f'{{"error": "unknown command in {path}"}}'.encode()


@_kind("text")
def _text(reply: Reply, path: str) -> None:
    """Return 200 with a line of text that echoes the request."""
    reply.body = f"Sorry, no data for {path}".encode()


@_kind("no-header")
def _no_header(reply: Reply, _: str) -> None:
    """Leave out the header."""
    reply.body = reply.body.split(b"\n", 1)[1]


@_kind("bom")
def _bom(reply: Reply, _: str) -> None:
    """Start with a byte-order mark."""
    reply.body = b"\xef\xbb\xbf" + reply.body


@_kind("crlf")
def _crlf(reply: Reply, _: str) -> None:
    """End lines with CRLF. Line ends inside texts do not change."""
    reply.body = re.sub(rb'"\n("|\Z)', rb'"\r\n\1', reply.body)


@_kind("windows-1252")
def _windows_1252(reply: Reply, _: str) -> None:
    """Encode as Windows-1252 without a charset; other characters become question marks."""
    reply.body = reply.body.decode().encode("cp1252", "replace")
    reply.headers["Content-Type"] = "text/csv"


@_kind("upper-case")
def _upper_case(reply: Reply, _: str) -> None:
    """Write the header in capitals."""
    header, rest = reply.body.split(b"\n", 1)
    reply.body = header.upper() + b"\n" + rest


@_kind("renamed-column")
def _renamed_column(reply: Reply, _: str) -> None:
    """Rename the last column."""
    header, rest = reply.body.split(b"\n", 1)
    reply.body = header[: header.rindex(b'"', 0, -1)] + b'"renamed"\n' + rest


@_kind("no-key")
def _no_key(reply: Reply, _: str) -> None:
    """Rename the key columns."""
    header, rest = reply.body.split(b"\n", 1)
    keys = rb'"(id|\w+_id|hourBegin_time)"'
    reply.body = re.sub(keys, rb'"other_\1"', header) + b"\n" + rest


@_kind("bad-number")
def _bad_number(reply: Reply, _: str) -> None:
    """Replace the first short integer with text that is not a number."""
    reply.body = re.sub(rb';"(\d{1,3})"', rb';"\1 x"', reply.body, count=1)


@_kind("no-date")
def _no_date(reply: Reply, _: str) -> None:
    """Leave out the Date header."""
    reply.headers["Date"] = None
