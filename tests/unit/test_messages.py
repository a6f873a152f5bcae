"""Singer messages on standard output: the content of a record line, and whole lines only."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
import singer_sdk.singerlib as singer
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_cobrowser.singer.messages import LineWriter, record_lines

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = datetime(2026, 11, 22, 14, 30, 5, tzinfo=timezone.utc)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(
    allow_nan=False, allow_infinity=False
)  # fmt: skip
NAMES = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"\\'),
        min_size=1,
        max_size=12,
    )
    | st.sampled_from(["from", "class", "to", "num_vists", "\u2028"]),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(names=NAMES, data=st.data(), version=st.none() | st.integers(1, 2**40))
def test_record_lines_equal_the_messages_of_the_sdk(
    names: list[str], data: st.DataObject, version: int | None
) -> None:
    rows = data.draw(st.lists(st.tuples(*[VALUES] * len(names)), max_size=5))
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    lines = b"".join(
        record_lines("a stream", tuple(names), columns, time_extracted=TIME, version=version)
    )
    messages = [
        singer.RecordMessage(
            stream="a stream",
            record=dict(zip(names, row, strict=True)),
            version=version,
            time_extracted=TIME,
        )
        for row in rows
    ]
    said = [json.loads(line) for line in lines.split(b"\n")[:-1]]
    assert said == [json.loads(MsgSpecWriter().serialize_message(each)) for each in messages]


def test_records_wait_for_a_block_and_every_other_message_sends_them() -> None:
    out = io.TextIOWrapper(io.BytesIO())
    buffer: Any = out.buffer
    state = singer.StateMessage(value={"bookmarks": {}})
    with redirect_stdout(out):
        writer = LineWriter()
        writer.write_message(singer.RecordMessage(stream="a", record={"text": "é\n😀"}))
        assert buffer.getvalue() == b""
        writer.write_lines(b'{"type":"RECORD"}\n' * 2)
        writer.write_message(state)
        written = [json.loads(line)["type"] for line in buffer.getvalue().splitlines()]
        assert written == ["RECORD"] * 3 + ["STATE"]
        writer.write_lines(b"x" * 70_000 + b"\n")
        assert len(buffer.getvalue()) > 70_000


def test_a_schema_without_a_key_has_an_empty_one() -> None:
    schema = singer.SchemaMessage("a", {"properties": {}})
    assert json.loads(LineWriter().serialize_message(schema))["key_properties"] == []


class Raw(io.RawIOBase):
    """A file that takes a part of what is written, or nothing for now."""

    def __init__(self, takes: list[int | None]) -> None:
        super().__init__()
        self.takes, self.content = takes, b""
        self.calls: list[Callable[[], None]] = []

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int | None:
        taken = self.takes.pop(0) if self.takes else len(data)
        self.content += bytes(data[: taken or 0])
        for call in self.calls:
            call()
        return taken


@pytest.mark.parametrize("takes", [[1, None, 2], [5, 0, 1]])
def test_what_a_file_does_not_take_at_once_is_written_again(
    monkeypatch: pytest.MonkeyPatch, takes: list[int | None]
) -> None:
    raw = Raw(takes)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    lines = b'{"type":"RECORD"}\n' * 5_000
    LineWriter().write_lines(lines)
    assert raw.content == lines


def test_a_signal_during_a_write_leaves_after_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, left = Raw([10, 20]), []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    writer = LineWriter()
    raw.calls.append(lambda: writer.stop(lambda: left.append(raw.content)))
    writer.write_message(singer.StateMessage(value={}))
    assert left == [b'{"type":"STATE","value":{}}\n']
    raw.calls.clear()
    writer.stop(lambda: left.append(b"at once"))
    assert left[1:] == [b"at once"]


FAILING = """
import sys
from tap_cobrowser.errors import TargetGoneError
from tap_cobrowser.singer.messages import LineWriter
writer = LineWriter()
try:
    for _ in range(10_000):
        writer.write_lines(b'{"type": "RECORD"}\\\\n' * 100)
except TargetGoneError as error:
    sys.exit(f"said: {error}")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_target_that_has_gone_is_reported_in_one_line(unbuffered: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAILING.replace("\\\\n", "\\n")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert said.startswith("said: The target has stopped reading. See the target's log")
    assert said.count("\n") == 1  # and nothing of Python's own on its way out
    assert process.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")  # noqa: PTH110 - in a decorator a plain call reads best
def test_a_full_disk_is_reported_in_one_line() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-c", FAILING.replace("\\\\n", "\\n")],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            encoding="utf-8",
        )
    assert "Standard output cannot be written: No space left on device." in done.stderr
    assert done.stderr.count("\n") == 1
