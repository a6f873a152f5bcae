"""One HTTP request: a `Reply`, or a typed error that never quotes the URL.

The API takes its key in the URL, and the exceptions of the HTTP libraries quote the URL. None of
them is therefore the cause or the context of an error that leaves this module.
"""

from __future__ import annotations

import codecs
import re
import ssl
import threading
import zlib
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests
import urllib3

from tap_cobrowser.errors import (
    BrokenResponseError,
    CertificateError,
    ConnectionFailedError,
    RequestError,
    TapCobrowserError,
    UnreachableError,
)
from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CHUNK = 2**16  # of a compressed body, it may become 64 MiB
_MOST_OF_AN_ERROR = 64 * 1024
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[TapCobrowserError], str], ...] = (
    # These would be the same in a retry.
    (
        (requests.exceptions.InvalidSchema,),  # of a proxy: `api_url` has a valid one
        RequestError,
        "The environment sets a SOCKS proxy, which needs the package PySocks",
    ),
    (
        (
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidProxyURL,
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationValueError,
        ),
        RequestError,
        "The request cannot be sent ({name})",
    ),
    (
        (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
        UnreachableError,
        "The proxy could not be reached or rejected the connection",
    ),
    (
        (urllib3.exceptions.ConnectTimeoutError,),
        UnreachableError,
        "The server could not be reached within {timeout:g} seconds",
    ),
    (
        (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError),
        ConnectionFailedError,
        "The server did not respond within {timeout:g} seconds",
    ),
    ((IncompleteRead, zlib.error), ConnectionFailedError, "The response was cut short"),
    (
        (ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
        ConnectionFailedError,
        "The server closed the connection before it responded",
    ),
    ((HTTPException,), ConnectionFailedError, "The response is not HTTP"),
    (
        (urllib3.exceptions.NewConnectionError, ssl.SSLError),
        UnreachableError,
        "The server could not be reached: {reason}",
    ),
)
"""What an error of the libraries means, by the first kind that is among its causes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP response, before it is read.

    The names of its headers are not case-sensitive. The body is decompressed; of a page (HTML, an
    error of PHP) and of any status but 200, it has at most 64 KiB.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """The date-time in the `Date` header."""
        return _http_date(self.headers.get("Date"))

    @property
    def charset(self) -> str | None:
        """The charset in `Content-Type`."""
        found = re.search(
            r"charset=[\"']?([\w-]+)", self.headers.get("Content-Type", ""), re.IGNORECASE
        )
        return found[1] if found else None

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds to wait by the `Retry-After` header, None if there is none.

        A date counts from the response's own `Date`; without one, from `now` on this machine.
        """
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        until = _http_date(text)
        return None if until is None else max((until - (self.date or now)).total_seconds(), 0.0)


class Transport:
    """Sends requests to one URL. Safe to use from many threads."""

    def __init__(self, url: str, *, user_agent: str, timeout: float) -> None:
        """Prepare for a URL without a query; `timeout` counts seconds without data."""
        self._url = url
        self._timeout = timeout
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
            BrokenResponseError: If the body cannot be decompressed.
            CertificateError: If the server's certificate is not trusted.
            RequestError: If it cannot be sent.
        """
        try:
            return self._get(parameters)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            HTTPException,
            OSError,
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
        # An adapter never looks at redirects, malformed ones included, and keeps no cookies: those
        # of a PHP session would make the server handle one request at a time.
        response = session.get_adapter(self._url).send(
            request, timeout=self._timeout, **self._options
        )
        with closing(response.raw) as raw:
            chunks = _decompressed(
                raw.stream(_CHUNK, decode_content=False),
                response.headers.get("Content-Encoding", ""),
            )
            body = next(chunks, b"")
            if response.status_code == HTTPStatus.OK and not _is_page(body):
                body = b"".join([body, *chunks])
                raw.release_conn()
            else:  # an error of PHP's own in a loop may go on for gigabytes
                body = body[:_MOST_OF_AN_ERROR]
        return Reply(response.status_code, response.reason or "", response.headers, body)

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


def _decompressed(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the pieces of a body without its content encoding.

    HTTP libraries accept a compressed body whose end is missing. Here that is an error.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        yield from chunks
        return
    if name not in {"gzip", "x-gzip", "deflate"}:
        msg = f"The response has a content encoding that was not requested: {quote(name, 40)}"
        raise BrokenResponseError(msg)
    first = next(chunks, b"")
    # Some servers leave out the header of zlib. Its first byte is x8, and no other encoding's.
    bits = zlib.MAX_WBITS | 32 if name != "deflate" or first[:1] == b"x" else -zlib.MAX_WBITS
    inflater, empty = zlib.decompressobj(bits), not first
    while first:
        yield inflater.decompress(first)
        first = next(chunks, b"")
    if not (inflater.eof or empty) or inflater.unused_data.strip(b"\0"):
        msg = "The compressed response was cut short, or does not end where it says"
        raise BrokenResponseError(msg)


def _is_page(body: bytes) -> bool:
    """Return whether a body begins as a page does, errors of PHP's included, and no table."""
    return body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")


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
    causes = list(_causes(error))
    if problem := next(filter(None, map(_certificate_problem, causes)), ""):
        return CertificateError(problem)
    system = (each.strerror for each in causes if isinstance(each, OSError) and each.errno)
    reason = quote(next(filter(None, system), type(error).__name__), 100)
    for kinds, kind, text in _MEANINGS:
        if any(isinstance(each, kinds) for each in causes):
            name = type(error).__name__
            return kind(text.format(name=name, timeout=timeout, reason=reason))
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # `requests` itself checks that the file of certificates exists.
        return CertificateError(f"The request could not be sent: {quote(error)}")
    return ConnectionFailedError(f"The request failed ({type(error).__name__})")


def _certificate_problem(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.library in {"ASN1", "PEM", "X509"}:
        reason = quote(error.reason or error, 100)
        return f"The file of trusted certificates cannot be used: {reason}"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all its causes, which libraries keep in different places."""
    found: list[object] = [error]
    seen: set[int] = set()
    while found:
        cause = found.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            reason = getattr(cause, "reason", None)
            found += [reason, cause.__cause__, cause.__context__, *cause.args]
