"""A reply is whole, or there is none: whatever a server sends, and wherever it stops."""

from __future__ import annotations

import gzip
import socketserver
import threading
import zlib
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cobrowser.api.transport import Transport, _failure
from tap_cobrowser.errors import RetriableError

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b'"id";"label"\n"1";"a"\n"2";"b"\n'
OK = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 13:30:00 GMT\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CLOSE = b"Connection: close\r\n"
END = b"\r\n"


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def deflated(bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=bits)
    return compressor.compress(BODY) + compressor.flush()


def encoded(name: bytes, body: bytes, *headers: bytes) -> bytes:
    return OK + CLOSE + b"Content-Encoding: " + name + END + b"".join(headers) + END + body


@contextmanager
def transport(sent: bytes) -> Iterator[Transport]:
    """Yield a transport to a server that sends these bytes and closes the connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while b"\r\n\r\n" not in self.request.recv(65536):
                pass
            self.request.sendall(sent)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/csv.php"
        try:
            yield Transport(url, user_agent="test", timeout=5)
        finally:
            server.shutdown()


def body_of(sent: bytes) -> bytes:
    with transport(sent) as sender:
        return sender.get({"c": "hosts"}).body


@pytest.mark.parametrize(
    "sent",
    [
        OK + LENGTH + END + BODY,
        OK + CLOSE + END + BODY,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY[:9], BODY[9:]) + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + END + BODY,
        OK.replace(b"\r\n", b"\n") + LENGTH.replace(b"\r\n", b"\n") + b"\n" + BODY,
        encoded(b"gzip", gzip.compress(BODY)),
        encoded(b"GZip", gzip.compress(BODY)),
        encoded(b"deflate", deflated(15)),
        encoded(b"deflate", deflated(-15)),
        encoded(b"identity", BODY),
    ],
)
def test_a_whole_response_is_read(sent: bytes) -> None:
    assert body_of(sent) == BODY


@pytest.mark.parametrize(
    "sent",
    [
        OK + CLOSE + END,
        OK + b"Content-Length: 0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        encoded(b"gzip", gzip.compress(b"")),
        encoded(b"gzip", b"", b"Content-Length: 0\r\n"),
        b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n",
    ],
)
def test_a_response_of_nothing_has_an_empty_body(sent: bytes) -> None:
    assert body_of(sent) == b""


WHOLE = {
    "length": OK + LENGTH + END + BODY,
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY) + b"0\r\n\r\n",
    "gzip": encoded(b"gzip", gzip.compress(BODY)),
    "deflate": encoded(b"deflate", deflated(15)),
    "deflate without a header": encoded(b"deflate", deflated(-15)),
}


@pytest.mark.parametrize("sent", WHOLE.values(), ids=WHOLE.keys())
def test_a_response_that_is_cut_is_an_error_or_empty_never_a_part(sent: bytes) -> None:
    head = sent.index(b"\r\n\r\n") + 4
    # up to where nothing but the end of the chunks is missing
    for end in range(head + 1, len(sent) - 4, 11):
        with pytest.raises(RetriableError):
            body_of(sent[:end])
    # a cut in the header may lose what says how long the body is, or that there is one
    with suppress(RetriableError):
        assert body_of(sent[: head - 5]) == b""


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "closed the connection before it responded"),
        (b"hello\r\n\r\n", "The response is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "The response is not HTTP"),
        (b"HTTP/2 200 OK\r\n\r\n", "The response is not HTTP"),
        (OK + b"X: y\r\n" * 200 + END, "The response is not HTTP"),
        (encoded(b"gzip", BODY), "The response was cut short"),
        (encoded(b"br", b"\x8b\x02\x80abc\x03"), "not requested: 'br'"),
        (encoded(b"gzip, gzip", gzip.compress(gzip.compress(BODY))), "not requested: 'gzip, gzip'"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_is_retried(sent: bytes, said: str) -> None:
    with pytest.raises(RetriableError, match=said):
        body_of(sent)


# What is no table

PAGE = (
    b"\n<br />\n<b>Warning</b>:  feof() expects parameter 1 to be resource in csv.php on line 9\n"
)
MOST = 64 * 1024


class _Endless(HTTPServer):
    """Puts out a page without end, or as much of it as anyone reads."""

    status = 200
    compressed = False


class _Handler(BaseHTTPRequestHandler):
    server: _Endless

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        compress = zlib.compressobj(wbits=31)
        if self.server.compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            while True:
                block = PAGE * 1000
                self.wfile.write(compress.compress(block) if self.server.compressed else block)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Endless]:
    with _Endless(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "compressed"), [(200, False), (200, True), (500, False)])
def test_a_page_is_read_to_64_kib_and_no_further(
    server: _Endless, status: int, *, compressed: bool
) -> None:
    server.status, server.compressed = status, compressed
    url = f"http://127.0.0.1:{server.server_port}/"
    reply = Transport(url, user_agent="x", timeout=5).get({})
    assert reply.status == status
    assert reply.body.startswith(PAGE)
    assert len(reply.body) <= MOST


def test_an_error_of_no_known_kind_is_named_without_its_text() -> None:
    url = "https://client.cobrowser.net/csv.php?apiKey=of-a-customer"
    error = _failure(requests.RequestException(f"Something about {url}"), timeout=5)
    assert str(error).startswith("The request failed (RequestException). ")
    assert "customer" not in str(error)
