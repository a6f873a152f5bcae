"""One HTTP request: a `Reply`, or a typed error that never quotes the URL.

The API takes its key in the URL, and the exceptions of the HTTP libraries quote the URL. None of
them is therefore the cause or the context of an error that leaves this module.
"""

from __future__ import annotations

import codecs
import gzip
import re
import ssl
import threading
import zlib
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import urllib3

from tap_cobrowser.errors import (
    CertificateError,
    ConnectionFailedError,
    RequestError,
    TapCobrowserError,
)
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_CHUNK = 2**20
_MOST_OF_AN_ERROR = 64 * 1024
_WITH_ROWS = {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
_CUT_SHORT = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.DecodeError,
    EOFError,
    gzip.BadGzipFile,
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
        size = len(body)
        read = _decompress if with_rows else _legible
        body = read(body, encoding)
        self._on_bytes(len(body) - size)
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
            self._local.session = requests.Session()
        return cast("requests.Session", self._local.session)


def _decompress(body: bytes, encoding: str) -> bytes:
    """Return a body without its content encoding.

    HTTP libraries accept a body whose end is missing. Here that is an error.

    Args:
        body: The body as it was sent.
        encoding: `Content-Encoding`.

    Raises:
        RequestError: If the encoding is not one that was requested.
        EOFError: If the end is missing.
        zlib.error: If it is not in this encoding, or its checksum is wrong.
        gzip.BadGzipFile: The same.
    """
    for name in _encodings(encoding):
        if not body:
            break
        if name not in {"gzip", "x-gzip", "deflate"}:
            msg = f"The response has a content encoding that was not requested: {quote(name, 40)}"
            raise RequestError(msg)
        if name != "deflate":
            body = gzip.decompress(body)
        else:
            try:
                body = _inflate(body, zlib.MAX_WBITS)
            except zlib.error:  # some servers leave out the header of zlib
                body = _inflate(body, -zlib.MAX_WBITS)
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


def _inflate(body: bytes, bits: int) -> bytes:
    inflater = zlib.decompressobj(bits)
    inflated = inflater.decompress(body)
    if not inflater.eof:
        raise EOFError
    return inflated


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
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message.rstrip(".")
            return CertificateError(f"The server's certificate is not trusted: {reason}")
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


def _why_not_connected(error: Exception, causes: list[BaseException], timeout: float) -> str:
    if isinstance(error, _TIMED_OUT):
        return f"The server did not respond within {timeout:g} seconds"
    if isinstance(error, _CUT_SHORT):
        return "The response was cut short"
    if any(isinstance(each, ConnectionResetError) for each in causes):
        return "The server closed the connection before it responded"
    if isinstance(error, requests.exceptions.ProxyError):
        return "The proxy could not be reached or rejected the connection"
    system = (each.strerror for each in causes if isinstance(each, OSError) and each.errno)
    if reason := next((each for each in system if each), ""):
        return f"The server could not be reached: {quote(reason, 100)}"
    return f"The request failed ({type(error).__name__})"


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
