"""A real headless Chromium, driven through a pipe: no package and no port is needed for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def find() -> str | None:
    """Return the path of a Chromium, if the machine has one that can be driven."""
    if os.name == "nt":  # the pipe is at file descriptors that only POSIX hands on
        return None
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page, and everything that it logs while it is shown.

    Attributes:
        events: Events of the DevTools protocol: requests, log entries, exceptions.
    """

    def __init__(self, program: str, profile: Path) -> None:
        """Start the browser, with a new profile in a folder."""
        self.events: list[dict[str, Any]] = []
        self._calls = 0
        self._rest = b""
        self._session: str | None = None
        reads, self._out = os.pipe()
        self._in, writes = os.pipe()
        command = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'
        words = [program, *_OPTIONS.split(), f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            ["bash", "-c", command, *words],
            pass_fds=(reads, writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)

    def __enter__(self) -> Self:
        """Open an empty page that reports what happens in it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._out)
        os.close(self._in)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol, and return its result."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = os.read(self._in, 1 << 16)
            assert block, "the browser has ended"
            self._rest += block
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return done["result"].get("value")

    def wait_for(self, expression: str, wanted: object) -> None:
        """Wait until an expression has a value."""
        end = time.monotonic() + 60
        while self.value(expression) != wanted:
            assert time.monotonic() < end, (expression, self.value(expression))
            time.sleep(0.1)

    def requests(self) -> list[str]:
        """Return the URLs that were requested."""
        sent = [each for each in self.events if each["method"] == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in sent]

    def complaints(self) -> list[dict[str, Any]]:
        """Return exceptions, warnings and errors."""
        return [
            each
            for each in self.events
            if each["method"] == "Runtime.exceptionThrown"
            or (
                each["method"] == "Log.entryAdded"
                and each["params"]["entry"]["level"] in {"error", "warning"}
            )
            or (
                each["method"] == "Runtime.consoleAPICalled"
                and each["params"]["type"] in {"error", "warning", "assert"}
            )
        ]
