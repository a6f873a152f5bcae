"""Serves the sandbox's world over HTTP, according to the API's page."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.faults import KINDS, Fault, Reply
from sandbox.page import COMMANDS
from sandbox.readings import Readings, RejectedError
from sandbox.world import World
from sandbox.writing import content_type, csv_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from sandbox.world import Row

PATH = "/generic/api/csv.php"
DOOR = "/sandbox"
SEPARATORS = (";", ",", ":", "|")
_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A request as the sandbox records it, without the key.

    Attributes:
        command: The command, as it was sent.
        start: The range's older end in days ago, None if it was not sent.
        stop: The range's younger end in days ago, None if it was not sent.
        status: The status of the response.
        at: The sandbox's time when it came in.
        in_flight: How many requests were in progress then, this one included.
    """

    command: str
    start: int | None
    stop: int | None
    status: int
    at: datetime
    in_flight: int


class Sandbox:
    """A server on a loopback port, running while it is used as a context manager."""

    user = "ccc@sandbox.example"
    api_key = "sandbox+key/of&a ccc=agent%"
    plain_user = "agent@sandbox.example"
    plain_api_key = "sandbox+key/of&a plain=agent%"

    def __init__(
        self,
        world: World | None = None,
        *,
        port: int = 0,
        clock: datetime | Callable[[], datetime] | None = None,
        frozen: bool = False,
        latency: float = 0.0,
        window_days: int = 2,
        verbose: bool = False,
        readings: Readings | None = None,
    ) -> None:
        """Bind the port; requests are not served yet.

        Args:
            world: The data.
            port: The port on 127.0.0.1; 0 for a free one.
            clock: A function for the time, or the time at which the clock starts; None is the real
                time.
            frozen: Whether the clock stands still at its start.
            latency: Seconds before each response.
            window_days: Maximum number of days per request.
            verbose: Whether to print each request, without user and key.
            readings: How the API's page is interpreted; None is what the tap assumes.

        Raises:
            OSError: If the port is taken.
        """
        self.world = world or World()
        self.latency = latency
        self.window_days = window_days
        self.verbose = verbose
        self.readings = readings or Readings()
        """How the page is read; may be set at any time."""
        self._cached: dict[tuple[tuple[str, str], ...], tuple[datetime, datetime]] = {}
        self.requests: deque[Request] = deque(maxlen=100_000)
        self.faults: list[Fault] = []
        self.before_rows: Callable[[Request], None] | None = None
        """Called after `Date` is stamped and before the rows are picked."""
        self.set_clock(clock, frozen=frozen)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._chance = Random(self.world.seed)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def environment(self, *, plain_agent: bool = False) -> dict[str, str]:
        """Return the variables that point tap-cobrowser here."""
        variables = {
            "TAP_COBROWSER_API_URL": self.url,
            "TAP_COBROWSER_USER": self.plain_user if plain_agent else self.user,
            "TAP_COBROWSER_API_KEY": self.plain_api_key if plain_agent else self.api_key,
            "TAP_COBROWSER_TIMEZONE": self.world.zone.key,
            "TAP_COBROWSER_CCC_AGENT": "false" if plain_agent else "true",
        }
        if self.window_days != 2:  # the API's and the tap's default
            variables["TAP_COBROWSER_WINDOW_DAYS"] = str(self.window_days)
        return variables

    # The clock

    def now(self) -> datetime:
        """Return the sandbox's time, in its zone."""
        return self._clock().astimezone(self.world.zone)

    def set_clock(
        self, clock: datetime | Callable[[], datetime] | None, *, frozen: bool = False
    ) -> None:
        """Set the clock; see the constructor."""
        start = datetime.now(timezone.utc) if clock is None else clock
        begun = time.monotonic()

        def now() -> datetime:
            if not isinstance(start, datetime):
                return start()
            if clock is None and not frozen:
                return datetime.now(timezone.utc)
            passed = timedelta(seconds=0 if frozen else time.monotonic() - begun)
            return start.astimezone(timezone.utc) + passed

        self._clock = now

    # Faults

    def fail(self, kind: str, command: str | None = None, **options: int | None) -> None:
        """Make requests fail; `Fault` describes the options.

        Raises:
            KeyError: If there is no such kind or command.
        """
        self.faults.append(Fault(kind, command, **options))  # type: ignore[arg-type]

    def fault_of(self, request: Request) -> str | None:
        """Return the kind of fault for a request, and count it."""
        with self._lock:
            for fault in self.faults:
                if fault.command not in {None, request.command} or fault.times == 0:
                    continue
                if fault.start not in {None, request.start}:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                if fault.one_in and self._chance.random() * fault.one_in >= 1:
                    continue
                if fault.times:
                    fault.times -= 1
                return fault.kind
        return None

    # Responses

    def began(self) -> int:
        """Count a request that arrived, and return how many are in progress."""
        with self._lock:
            self._in_flight += 1
            return self._in_flight

    def ended(self) -> None:
        """Count a request that is finished."""
        with self._lock:
            self._in_flight -= 1

    def as_of(
        self, query: dict[str, str], stamp: datetime, now: datetime
    ) -> tuple[datetime, datetime]:
        """Return the `Date` of a response, and the time of its rows: earlier ones if it is stale.

        Args:
            query: The request's parameters.
            stamp: When the request came in.
            now: When its rows are picked.
        """
        kind = self.readings.stale
        if kind == "no":
            return stamp, now
        if kind.startswith("yesterday"):
            old_stamp, old_now = (
                moment.astimezone(timezone.utc) - timedelta(days=1) for moment in (stamp, now)
            )
        else:
            asked = tuple(sorted(item for item in query.items() if item[0] != "apiKey"))
            with self._lock:
                old_stamp, old_now = self._cached.setdefault(asked, (stamp, now))
        return (old_stamp if kind.endswith("old_date") else stamp), old_now

    def rows_of(
        self, query: dict[str, str], request: Request, now: datetime
    ) -> tuple[str, Iterator[Row]]:
        """Return the separator and the rows for a request, by the readings.

        Args:
            query: The request's parameters.
            request: The same, as it is recorded.
            now: The time of the rows.

        Raises:
            RejectedError: If it breaks the rules of the page.
        """
        users = {self.user: self.api_key, self.plain_user: self.plain_api_key}
        user, command = query.get("user", ""), COMMANDS.get(request.command)
        if not query.get("apiKey") or users.get(user) != query["apiKey"]:
            raise RejectedError("Invalid user or apiKey", HTTPStatus.UNAUTHORIZED)
        if command is None:
            raise RejectedError("Unknown command")
        if command.ccc and user != self.user:
            raise RejectedError("Only for CCC agents", HTTPStatus.FORBIDDEN)
        separator = query.get("csvseperator", ";")
        if separator not in SEPARATORS:
            raise RejectedError("Unknown csvseperator")
        readings = self.readings.of(command.name)
        ago: tuple[int, int] | None = None
        if command.ranged:
            ago = readings.days(request.start or 0, request.stop or 0, self.window_days)
        return separator, readings.pick(self.world, command.name, ago, now)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: clients may close the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "cobrowser-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = _BLOCK

    def do_GET(self) -> None:
        """Serve CSV."""
        sandbox = self.server.sandbox
        if self.path == f"{DOOR}/requests":
            made = [asdict(request) for request in sandbox.requests]
            self._say(HTTPStatus.OK, json.dumps(made, default=str))
            return
        if self.path == f"{DOOR}/readings":
            self._say(HTTPStatus.OK, json.dumps(asdict(sandbox.readings)))
            return
        in_flight = sandbox.began()
        try:
            try:
                stamp = sandbox.now()
                if sandbox.latency:
                    time.sleep(sandbox.latency)
                self._respond(sandbox, stamp, in_flight)
            finally:
                sandbox.ended()
            # Only now, so that a client with the last bytes does not find its request in progress.
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def do_POST(self) -> None:
        """Add a fault, with the arguments of `Sandbox.fail` as a JSON object."""
        self._control("faults", lambda sandbox, given: sandbox.fail(**given))

    def do_DELETE(self) -> None:
        """Remove all faults."""
        self._control("faults", lambda sandbox, _: sandbox.faults.clear())

    def do_PUT(self) -> None:
        """Set the clock or the readings.

        The clock takes a JSON object with `now` and `frozen`; the readings take the fields of
        `Readings`, and all others are reset to their defaults.
        """

        def set_clock(sandbox: Sandbox, given: dict[str, Any]) -> None:
            now = datetime.fromisoformat(given.pop("now").replace("Z", "+00:00"))
            sandbox.set_clock(now, **given)

        def set_readings(sandbox: Sandbox, given: dict[str, Any]) -> None:
            sandbox.readings = Readings(**given)

        if self.path == f"{DOOR}/readings":
            self._control("readings", set_readings)
        else:
            self._control("clock", set_clock)

    def _control(self, what: str, change: Callable[[Sandbox, dict[str, Any]], None]) -> None:
        status, text = HTTPStatus.NO_CONTENT, ""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.path != f"{DOOR}/{what}":
                raise RejectedError("Not found", HTTPStatus.NOT_FOUND)
            change(self.server.sandbox, json.loads(body or b"{}"))
        except RejectedError as error:
            status, text = error.status, str(error)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            status, text = HTTPStatus.BAD_REQUEST, f"{type(error).__name__}: {error}"
        self._say(status, text)

    def _say(self, status: HTTPStatus, text: str) -> None:
        self.send_response_only(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _respond(self, sandbox: Sandbox, stamp: datetime, in_flight: int) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        command = query.get("c", "")
        readings = sandbox.readings.of(command)
        status, kind_of_text, date = HTTPStatus.OK, content_type(readings), stamp
        request = Request(command, None, None, 0, stamp, in_flight)
        body: Iterable[bytes]
        try:
            if parts.path != PATH:
                raise RejectedError("Not found", HTTPStatus.NOT_FOUND)
            start, stop = _days(query, "start"), _days(query, "stop")
            request = replace(request, start=start, stop=stop)
            if sandbox.before_rows:
                sandbox.before_rows(request)
            date, now = sandbox.as_of(query, stamp, sandbox.now())
            separator, rows = sandbox.rows_of(query, request, now)
            first = next(rows, None)
            if first is None and readings.nothing == "204":
                status = HTTPStatus.NO_CONTENT
            rows = rows if first is None else chain([first], rows)
            body = csv_of(command, separator, rows, readings)
        except (ValueError, NotImplementedError) as error:
            rejected = error if isinstance(error, RejectedError) else RejectedError(str(error))
            status, kind_of_text = rejected.status, "text/plain; charset=utf-8"
            body = [f"{error}\n".encode()]
        headers = {"Date": _http_date(date), "Content-Type": kind_of_text}
        kind = sandbox.fault_of(request)
        reply = None
        if kind:
            reply = Reply(status, {**headers}, b"".join(body))
            KINDS[kind](reply, self.path)
            status = HTTPStatus(reply.status)
        sandbox.requests.append(replace(request, status=status))
        if sandbox.verbose:
            # One write, and not to standard output, where a command may write data.
            line = f"sandbox: {status.value} {command} {request.start}..{request.stop}\n"
            print(line, end="", file=sys.stderr, flush=True)
        if reply:
            self._send_fault(reply)
        else:
            self._send(status, headers, body)

    def _send(self, status: HTTPStatus, headers: dict[str, str], body: Iterable[bytes]) -> None:
        chunked = self.request_version != "HTTP/1.0"
        self.send_response_only(status)
        self.send_header("Date", headers["Date"])
        if status == HTTPStatus.NO_CONTENT:
            self.end_headers()
            return
        self.send_header("Content-Type", headers["Content-Type"])
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.close_connection = True
        self.end_headers()
        for block in body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_fault(self, reply: Reply) -> None:
        if reply.hang:
            time.sleep(3600)
        if reply.hang or reply.reset:
            self.close_connection = True
            return
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.headers.items():
            if value is not None:
                self.send_header(name, value)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        self.close_connection = self.close_connection or reply.cut

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Log nothing: the path contains the key."""


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


def _days(query: dict[str, str], name: str) -> int | None:
    if name not in query:
        return None
    if not (query[name].isascii() and query[name].isdigit()):
        raise RejectedError(f"{name} must be a number of days")
    return int(query[name])
