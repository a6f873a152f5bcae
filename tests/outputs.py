"""Runs of the tap, in this process or as a process of its own, and their output."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tap_cobrowser.api.clock import Time
from tap_cobrowser.tap import TapCobrowser
from tests import process
from tests.expected import NOW
from tests.keys import shows_key

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pytest


@dataclass
class Output:
    """The output of a run of the tap."""

    messages: list[dict[str, Any]]
    code: int = 0
    stderr: str = ""
    text: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str, code: int = 0, stderr: str = "") -> Output:
        """Parse standard output; every line has to be a whole message."""
        assert not text or text.endswith("\n"), "standard output ends in the middle of a line"
        return cls([json.loads(line) for line in text.splitlines()], code, stderr, text)

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream in their order, those of BATCH files included."""
        found: list[dict[str, Any]] = []
        for message in self.messages:
            if message.get("stream") == stream and message["type"] == "RECORD":
                found.append(message["record"])
            elif message.get("stream") == stream and message["type"] == "BATCH":
                opener = gzip.open if message["encoding"].get("compression") == "gzip" else open
                for url in message["manifest"]:
                    with opener(url2pathname(urlsplit(url).path), "rt", encoding="utf-8") as file:
                        found += map(json.loads, file)
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages."""
        return [message["value"] for message in self.of_type("STATE")]

    def bookmark(self, stream: str) -> str | None:
        """Return a stream's bookmark in the last STATE."""
        bookmark = self.states[-1]["bookmarks"].get(stream, {}).get("replication_key_value")
        assert bookmark is None or isinstance(bookmark, str)
        return bookmark

    @property
    def warnings(self) -> list[str]:
        """The warnings of the log, without those of the interpreter's."""
        lines = [line for line in self.stderr.splitlines() if "WARNING" in line]
        return [line for line in lines if "py.warnings" not in line]

    @property
    def last_line(self) -> str:
        """The last line of the log."""
        return self.stderr.strip().splitlines()[-1]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of runs in this process."""
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def select(*streams: str, but: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return a catalog with some streams selected, without some of their columns."""
    tap = TapCobrowser(config={"ccc_agent": True}, validate_config=False, setup_mapper=False)
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = entry["stream"] in streams
            elif item["breadcrumb"][-1] in (but or {}).get(entry["stream"], []):
                item["metadata"]["selected"] = False
    return catalog


def run(
    config: dict[str, Any],
    *,
    catalog: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    machine: Callable[[], datetime] = lambda: NOW,
    time: Time | None = None,
    output: list[Output] | None = None,
) -> Output:
    """Run the tap in this process, with the machine's clock or time as given; errors are raised.

    The output before an error is in `output`.
    """
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    found = [] if output is None else output
    try:
        with redirect_stdout(out):
            tap = process.tap_at(time or Time(machine))(
                config=dict(config), catalog=catalog, state=state
            )
            tap.sync_all()
    finally:
        out.seek(0)
        found.append(Output.of(out.read()))
    return found[0]


Command = Callable[..., Output]


def start(
    folder: Path,
    config: dict[str, Any] | None,
    *arguments: str,
    catalog: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    **environment: str,
) -> Callable[[], Output]:
    """Start `tap-cobrowser` as a process; the returned function waits for its end."""
    words: list[str] = []
    for name, content in {"config": config, "catalog": catalog, "state": state}.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{name}", str(path)]
    outputs = folder / "stdout", folder / "stderr"
    begun = process.start([*words, *arguments], {**os.environ, **environment}, *outputs, NOW)

    def wait() -> Output:
        begun.join(120)
        assert begun.exitcode is not None, "it does not end"
        stdout, stderr = (path.read_text(encoding="utf-8") for path in outputs)
        assert not shows_key(stderr)
        if "--discover" in arguments or "--about" in arguments:
            return Output([], begun.exitcode, stderr, stdout)
        return Output.of(stdout, begun.exitcode, stderr)

    return wait
