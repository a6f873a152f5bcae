"""One HTTP request: a `Reply`, or a typed error that never quotes the URL.

The API takes its key in the URL, and the exceptions of the HTTP libraries quote the URL. None of
them is therefore the cause or the context of an error that leaves this module.
"""

from __future__ import annotations

import codecs
import re
import ssl
import sys
import threading
import zlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_cobrowser.errors import (
    CertificateError,
    ConnectionFailedError,
    RequestError,
    TapCobrowserError,
)
from tap_cobrowser.redaction import quote

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedReader

_CHUNK = 2**20
_MOST_OF_AN_ERROR = 64 * 1024
_MOST_SKIPPED = 100
_HEADER_NAME = re.compile(rb"[!-9;-~]+")
_WITH_ROWS = {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
_CUT_SHORT = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.DecodeError,
    EOFError,
    zlib.error,
)
_TIMED_OUT = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
# These errors would be the same in a retry.
_NEVER_SENT = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP response, before it is parsed.

    Attributes:
        status: Status code.
        reason: Reason phrase, as the server wrote it.
        headers: Header fields; their names are not case-sensitive.
        body: The body, decompressed. For other statuses than 200, at most 64 KiB.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """The date-time in the `Date` header, None if there is none."""
        return _http_date(self.headers.get("Date"))

    @property
    def charset(self) -> str | None:
        """The charset in `Content-Type`, None if there is none."""
        found = re.search(
            r"charset=[\"']?([\w-]+)", self.headers.get("Content-Type", ""), re.IGNORECASE
        )
        return found[1] if found else None

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds to wait by the `Retry-After` header, None if there is none.

        Args:
            now: This machine's time. A date counts from the response's own `Date`, if it has one.
        """
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        until = _http_date(text)
        return None if until is None else max((until - (self.date or now)).total_seconds(), 0.0)


class Transport:
    """Sends requests to one URL. Safe to use from many threads."""

    def __init__(
        self, url: str, *, user_agent: str, timeout: float, on_bytes: Callable[[int], None]
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: URL without a query.
            user_agent: `User-Agent` header.
            timeout: Seconds without data after which a request fails.
            on_bytes: Called with the number of additional bytes that a response takes in memory. An
                exception that it raises ends the request.
        """
        self._url = url
        self._timeout = timeout
        self._on_bytes = on_bytes
        self._headers = {
            "Accept": "text/csv",
            # For these two, a missing end can be detected.
            "Accept-Encoding": "gzip, deflate",
            # A stored response would have the `Date` of the day on which it was stored.
            "Cache-Control": "no-cache",
            "User-Agent": user_agent,
        }
        self._local = threading.local()

    def get(self, parameters: Mapping[str, str]) -> Reply:
        """Send a GET request, once, and read the whole response. Redirects are not followed.

        Raises:
            ConnectionFailedError: If a retry may help.
            CertificateError: If the server's certificate is not trusted.
            RequestError: If it cannot be sent.
        """
        failure: TapCobrowserError | None = None
        try:
            return self._get(parameters)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            EOFError,
            ValueError,
            zlib.error,
        ) as error:
            failure = _failure(error, self._timeout)
        # Outside the `except`, because the original error quotes the URL, and with it the key.
        raise failure

    def _get(self, parameters: Mapping[str, str]) -> Reply:
        session = self._session
        request = requests.Request(
            "GET", self._url, params=dict(parameters), headers=self._headers
        ).prepare()
        url = cast("str", request.url)
        # An adapter never looks at redirects, malformed ones included, and keeps no cookies: those
        # of a PHP session would make the server handle one request at a time.
        response = session.get_adapter(url).send(request, timeout=self._timeout, **self._options)
        with_rows = response.status_code in _WITH_ROWS
        raw, whole = response.raw, False
        encoding = response.headers.get("Content-Encoding", "")
        try:
            if with_rows:
                chunks = self._chunks(raw)
                body = next(chunks, b"")
                if with_rows := not _is_page(_legible(body, encoding)):
                    body = b"".join([body, *chunks])
                else:  # an error of PHP's own in a loop may go on for gigabytes
                    self._on_bytes(-len(body))
                    body = body[:_MOST_OF_AN_ERROR]
            else:
                body = raw.read(_MOST_OF_AN_ERROR)
            whole = with_rows
        finally:
            # The connection returns to the pool if all was read; the rest is not worth reading.
            if whole:
                raw.release_conn()
            else:
                raw.close()
        if not with_rows:
            body = _legible(body, encoding)
        elif body or not _ends_with_connection(response):
            body = _decompress(body, encoding, self._on_bytes)
        elif _encodings(encoding):
            raise EOFError  # even compressed data of length 0 have a trailer
        return Reply(response.status_code, response.reason or "", response.headers, body)

    def _chunks(self, raw: Any) -> Iterator[bytes]:
        for chunk in raw.stream(_CHUNK, decode_content=False):
            self._on_bytes(len(chunk))
            yield chunk

    @cached_property
    def _options(self) -> dict[str, Any]:
        """Return the proxies and the custom CA, which an adapter does not look up by itself."""
        options = requests.Session().merge_environment_settings(
            self._url, {}, stream=True, verify=None, cert=None
        )
        if urlsplit(self._url).scheme == "http":
            options["proxies"] = {}  # a loopback address is meant for this machine
        return cast("dict[str, Any]", options)

    @property
    def _session(self) -> requests.Session:
        # `requests` does not promise that threads can share one.
        if not hasattr(self._local, "session"):
            self._local.session = session = requests.Session()
            session.mount("https://", _Adapter())
            session.mount("http://", _Adapter())
        return cast("requests.Session", self._local.session)


class _Adapter(HTTPAdapter):
    """Sends requests, and rejects a response whose headers are incomplete."""

    @override
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _with_whole_headers(pool.ConnectionCls)
        return pool


@lru_cache(maxsize=8)
def _with_whole_headers(connection: type) -> type:
    if issubclass(getattr(connection, "response_class", object), _Response):
        return connection
    return type(connection.__name__, (connection,), {"response_class": _Response})


class _Response(HTTPResponse):
    """An HTTP response whose headers are complete.

    If a connection ends within the headers, the standard library returns a response without a body,
    and the rows would be lost.
    """

    @override
    def begin(self, **kwargs: Any) -> None:
        lines = _Lines(self.fp)
        self.fp = cast("BufferedReader", lines)
        try:
            super().begin(**kwargs)
        finally:
            self.fp = lines.file
        if not (line := lines.last):
            self.close()
            raise IncompleteRead(line)

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        # The standard library skips a 100 alone, but a server may send other interim responses.
        is_interim = HTTPStatus.SWITCHING_PROTOCOLS < status < HTTPStatus.OK
        return version, HTTPStatus.CONTINUE if is_interim else status, reason


class _Lines:
    """A file that skips lines which are no headers, and keeps the last line that was read.

    The standard library ignores all headers after such a line, the length of the body among them.
    """

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.last = b""

    def readline(self, size: int) -> bytes:
        is_status = not self.last.strip()  # the first line, also after an interim response
        for _ in range(_MOST_SKIPPED):
            self.last = line = self.file.readline(size)
            name, colon, value = line.partition(b":")
            if is_status or not line.strip() or line[:1].isspace() or len(line) >= size:
                return line
            if colon and _HEADER_NAME.fullmatch(name.rstrip()):
                return name.rstrip() + colon + value
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _ends_with_connection(response: requests.Response) -> bool:
    """Return whether a body ends where the connection does."""
    return response.status_code != HTTPStatus.NO_CONTENT and not (
        {"content-length", "transfer-encoding"} & {name.lower() for name in response.headers}
    )


def _decompress(body: bytes, encoding: str, on_bytes: Callable[[int], None]) -> bytes:
    """Return a body without its content encoding.

    HTTP libraries accept a body whose end is missing. Here that is an error.

    Args:
        body: The body as it was sent.
        encoding: `Content-Encoding`.
        on_bytes: Called with the number of bytes more, after each piece: few can become many.

    Raises:
        RequestError: If the encoding is not one that was requested.
        EOFError: If the end is missing.
        zlib.error: If it is not in this encoding, or its checksum is wrong.
    """
    for name in _encodings(encoding):
        if not body:
            break
        if name not in {"gzip", "x-gzip", "deflate"}:
            msg = f"The response has a content encoding that was not requested: {quote(name, 40)}"
            raise RequestError(msg)
        size = len(body)
        if name != "deflate":
            body = b"".join(_inflated(body, zlib.MAX_WBITS | 16, on_bytes))
        else:
            try:
                body = b"".join(_inflated(body, zlib.MAX_WBITS, on_bytes))
            except zlib.error:  # some servers leave out the header of zlib
                body = b"".join(_inflated(body, -zlib.MAX_WBITS, on_bytes))
        on_bytes(-size)
    return body


def _is_page(body: bytes) -> bool:
    """Return whether a body begins as a page does, errors of PHP's included, and no table."""
    return body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")


def _legible(body: bytes, encoding: str) -> bytes:
    """Return the beginning of an error page; empty if it cannot be decoded."""
    try:
        for _ in _encodings(encoding):
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, _MOST_OF_AN_ERROR)
    except zlib.error:
        return b""
    return body


def _encodings(header: str) -> list[str]:
    """Return the encodings in `Content-Encoding`, the last one applied first."""
    names = [name.strip().lower() for name in header.split(",")]
    return [name for name in reversed(names) if name not in {"", "identity"}]


def _inflated(body: bytes, bits: int, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    while body:
        inflater = zlib.decompressobj(bits)
        while not inflater.eof:
            piece = inflater.decompress(body, _CHUNK)
            body = inflater.unconsumed_tail
            if not (piece or body or inflater.eof):
                raise EOFError
            on_bytes(len(piece))
            yield piece
        # A gzip body may have several parts, and zeros at its end. Others have one part.
        body = inflater.unused_data.lstrip(b"\0") if bits > zlib.MAX_WBITS else b""


def _http_date(text: str | None) -> datetime | None:
    """Return the date-time of an HTTP date, which is in GMT; None if it is not one."""
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
            timezone.utc
        )
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _failure(error: Exception, timeout: float) -> TapCobrowserError:
    """Return why a request failed, in the tap's or the system's words, never the library's."""
    if isinstance(error, TapCobrowserError):
        return error
    causes = list(_causes(error))
    if problem := next(filter(None, map(_certificate_problem, causes)), ""):
        return CertificateError(problem)
    if isinstance(error, requests.exceptions.InvalidSchema):  # which `api_url` never has
        msg = "The environment sets a SOCKS proxy, which needs the package PySocks"
        return RequestError(msg, advice="Install PySocks with the tap, or use another proxy.")
    if isinstance(error, _NEVER_SENT):
        return RequestError(f"The request cannot be sent ({type(error).__name__})")
    if isinstance(error, OSError) and not isinstance(
        error, (requests.RequestException, *_CUT_SHORT)
    ):
        # `requests` itself checks that the file of certificates exists.
        return CertificateError(f"The request could not be sent: {quote(error)}")
    return ConnectionFailedError(_why_not_connected(error, causes, timeout))


def _certificate_problem(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.library in {"ASN1", "PEM", "X509"}:
        reason = quote(error.reason or error, 100)
        return f"The file of trusted certificates cannot be used: {reason}"
    return ""


def _why_not_connected(error: Exception, causes: list[BaseException], timeout: float) -> str:
    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in causes)

    system = (each.strerror for each in causes if isinstance(each, OSError) and each.errno)
    reason = next((each for each in system if each), "")
    found = {
        f"The server did not respond within {timeout:g} seconds": isinstance(error, _TIMED_OUT),
        "The response was cut short": isinstance(error, _CUT_SHORT) or among(IncompleteRead),
        "The server closed the connection before it responded": among(ConnectionResetError),
        "The response is not HTTP": among(HTTPException),
        "The proxy could not be reached or rejected the connection": isinstance(
            error, requests.exceptions.ProxyError
        ),
        f"The server could not be reached: {quote(reason, 100)}": bool(reason),
        f"The request failed ({type(error).__name__})": True,
    }
    return next(text for text, applies in found.items() if applies)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all its causes, which libraries keep in different places."""
    found: deque[object] = deque([error])
    seen: set[int] = set()
    while found:
        cause = found.popleft()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            reason = getattr(cause, "reason", None)
            found += [reason, cause.__cause__, cause.__context__, *cause.args]
