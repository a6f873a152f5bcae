"""One HTTP request: what is read of its response."""

from __future__ import annotations

import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tap_cobrowser.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    taken: list[int] = []
    url = f"http://127.0.0.1:{server.server_port}/"
    reply = Transport(url, user_agent="x", timeout=5, on_bytes=taken.append).get({})
    assert reply.status == status
    assert reply.body.startswith(PAGE)
    assert len(reply.body) <= MOST
    assert sum(taken) <= MOST
