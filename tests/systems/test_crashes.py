"""Crashes: whole lines, a STATE that covers only emitted rows, and a next run that continues."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sandbox import Sandbox, World
from tests import process
from tests.expected import AMSTERDAM, NOW, STREAMS, TODAY, days_ago, expected, ordered
from tests.keys import shows_key
from tests.outputs import select

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and named pipes")

LOOK_BACK = 1
LONG = pytest.mark.long
HISTORY = ["agentactivity", "slotsactivity"]


class Piped:
    """A run of the tap whose standard output is a pipe, as it is to a target."""

    started: ClassVar[list[Piped]] = []

    def __init__(self, folder: Path, config: dict[str, Any], state: dict[str, Any] | None) -> None:
        """Start it."""
        arguments = []
        given = {"config": config, "catalog": select(*HISTORY), "state": state or {}}
        for name, content in given.items():
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            arguments += [f"--{name}", str(path)]
        pipe = folder / "pipe"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        self.log = folder / "log"
        self.process: BaseProcess = process.start(arguments, dict(os.environ), pipe, self.log, NOW)
        self.pipe = os.open(pipe, os.O_RDONLY)
        self.output = bytearray()
        self.started.append(self)

    def read(self, most: int) -> bool:
        """Read up to so many bytes more; tell whether there may be more."""
        end = len(self.output) + most
        while len(self.output) < end:
            found = os.read(self.pipe, min(end - len(self.output), 65536))
            if not found:
                return False
            self.output += found
        return True

    def end(self) -> tuple[int | None, list[dict[str, Any]], str]:
        """Read what is left, and return exit code, messages and log."""
        while self.read(1 << 20):
            pass
        os.close(self.pipe)
        self.process.join(60)
        lines = self.output.splitlines(keepends=True)
        if self.process.exitcode == -signal.SIGKILL and lines and not lines[-1].endswith(b"\n"):
            lines.pop()  # only a kill may cut a line, which no target takes for a message
        assert all(line.endswith(b"\n") for line in lines)
        log = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in log
        assert not shows_key(log)
        return self.process.exitcode, [json.loads(line) for line in lines], log


@pytest.fixture
def backfill(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """A sandbox, and settings for so many days of it as the test asks for."""
    days = getattr(request, "param", 240)
    with Sandbox(World(rows_per_day=40), clock=NOW, frozen=True, latency=0.002) as sandbox:
        yield (
            sandbox,
            {
                "user": sandbox.user,
                "api_key": sandbox.api_key,
                "api_url": sandbox.url,
                "start_date": days_ago(days).isoformat(),
                "lookback_days": LOOK_BACK,
            },
        )
        while Piped.started:  # of a test that has failed
            Piped.started.pop().process.kill()


def bookmark(state: dict[str, Any] | None, stream: str) -> datetime | None:
    value = (state or {}).get("bookmarks", {}).get(stream, {}).get("replication_key_value")
    return datetime.fromisoformat(value) if value else None


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("backfill", "times"),
    [pytest.param(60, 4, id="4 times"), pytest.param(240, 40, id="40 times", marks=LONG)],
    indirect=["backfill"],
)
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_backfill_that_is_killed_again_and_again_ends_with_every_row(
    backfill: tuple[Sandbox, dict[str, Any]], tmp_path: Path, signum: signal.Signals, times: int
) -> None:
    sandbox, config = backfill
    first = date.fromisoformat(config["start_date"])
    chance = Random(signum)
    received: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {name: {} for name in HISTORY}
    state: dict[str, Any] | None = None
    killed = 0
    done = False
    while not done:
        sandbox.requests.clear()
        run = Piped(tmp_path, config, state)
        if killed < times:
            # after so much output, and then a moment in which the tap fetches or is held up
            run.read(chance.randrange(120_000))
            threading.Event().wait(chance.random() * 0.02)
            os.kill(run.process.pid or 0, signum)
            killed += 1
        code, messages, log = run.end()
        done = code == 0
        if not done:
            assert code == (-signum if signum == signal.SIGKILL else 128 + signum)
            assert signum == signal.SIGKILL or signum.name in log
        _no_more_is_asked_for_than_is_left(sandbox, state)
        for message in messages:
            if message["type"] == "RECORD":
                stream, record = message["stream"], message["record"]
                key = tuple(record[name] for name in STREAMS[stream].primary_keys)
                received[stream][key] = record
            elif message["type"] == "STATE":
                state = message["value"]
                _no_row_is_claimed_that_was_not_emitted(sandbox.world, first, state, received)
    assert killed == times
    for stream in HISTORY:
        rows = expected(sandbox.world, stream, first)
        assert ordered(list(received[stream].values())) == ordered(rows)


def _no_more_is_asked_for_than_is_left(sandbox: Sandbox, state: dict[str, Any] | None) -> None:
    # the first requests count from the machine's day, which is another than the sandbox's
    off = abs((datetime.now(AMSTERDAM).date() - TODAY).days)
    for stream in HISTORY:
        if last := bookmark(state, stream):
            first = last.astimezone(AMSTERDAM).date() - timedelta(days=LOOK_BACK)
            asked = [each.start or 0 for each in sandbox.requests if each.command == stream]
            assert max(asked, default=0) <= (TODAY - first).days + off


def _no_row_is_claimed_that_was_not_emitted(
    world: World,
    first: date,
    state: dict[str, Any],
    received: dict[str, dict[tuple[Any, ...], Any]],
) -> None:
    for stream in HISTORY:
        if done := bookmark(state, stream):
            last = done.astimezone(AMSTERDAM).date() - timedelta(days=1)
            # the two days that this STATE is the first to claim
            claimed = expected(world, stream, max(last - timedelta(days=1), first), last)
            keys = STREAMS[stream].primary_keys
            assert {tuple(row[name] for name in keys) for row in claimed} <= received[stream].keys()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_tap_with_whole_lines_though_the_server_hangs(
    backfill: tuple[Sandbox, dict[str, Any]], tmp_path: Path, signum: signal.Signals
) -> None:
    sandbox, config = backfill
    sandbox.fail("hang", "slotsactivity")
    run = Piped(tmp_path, config, None)
    assert run.read(1)
    threading.Event().wait(1.0)  # the pipe is full by now: the target is behind
    os.kill(run.process.pid or 0, signum)
    code, messages, log = run.end()
    assert code == 128 + signum
    assert messages
    assert log.splitlines()[-1].endswith(
        f"Stopped by {signum.name}. Run again to continue from the last state that the target "
        "stored."
    )


def test_a_dead_target_ends_the_run_in_one_line(
    backfill: tuple[Sandbox, dict[str, Any]], tmp_path: Path
) -> None:
    _, config = backfill
    run = Piped(tmp_path, config, None)
    run.read(10_000)
    os.close(run.pipe)
    run.process.join(60)
    assert run.process.exitcode == 1
    log = run.log.read_text(encoding="utf-8")
    assert "The target has stopped reading. See the target's log" in log.splitlines()[-1]
    assert "Traceback" not in log
    assert "BrokenPipe" not in log
