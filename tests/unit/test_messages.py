"""Singer messages on standard output: the content of a record line, and whole lines only."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stdout
from datetime import datetime, timezone
from random import Random
from typing import Any

import pytest
import singer_sdk.singerlib as singer
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_cobrowser.singer.messages import LineWriter, record_lines

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
def test_record_lines_say_what_the_sdk_s_messages_say(
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


# A writer in a process of its own, whose lines tell their length, so that a cut one shows.
WRITE = """
import sys
from tap_cobrowser.singer.messages import LineWriter
import singer_sdk.singerlib as singer
writer = LineWriter()
for number in range(100_000):
    text = "x" * (number * 37 % 900)
    line = '{"n": %d, "length": %d, "text": "%s"}\\n' % (number, len(text), text)
    writer.write_lines(line.encode())
    if number % 50 == 0:
        writer.write_message(singer.StateMessage(value={"n": number}))
"""


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows promises nothing about pieces")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_killed_process_leaves_whole_lines(unbuffered: str, seed: int, drained: bool) -> None:
    chance = Random(seed)
    with subprocess.Popen(
        [sys.executable, "-c", WRITE],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout
        read = [process.stdout.read(1)]
        if drained:
            # a reader that keeps the pipe empty, so that large blocks are written
            threading.Timer(chance.random() * 0.3, process.kill).start()
        else:
            # a reader that is slower than the writer, so that it is killed within a write
            parts = [chance.randrange(1, 60_000) for _ in range(chance.randrange(4))]
            read += [process.stdout.read(part) for part in parts]
            threading.Event().wait(chance.random() * 0.3)
            process.send_signal(signal.SIGKILL)
        read.append(process.stdout.read())
    lines = b"".join(read).split(b"\n")
    assert lines.pop() == b""
    messages = [json.loads(line) for line in lines]
    records = [message for message in messages if "length" in message]
    assert [record["n"] for record in records] == list(range(len(records)))
    assert all(len(record["text"]) == record["length"] for record in records)


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
def test_a_target_that_has_gone_is_told_in_one_line(unbuffered: str) -> None:
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
def test_a_full_disk_is_told_in_one_line() -> None:
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
