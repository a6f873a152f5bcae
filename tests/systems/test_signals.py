"""Signals and standard streams: a run can be stopped, whatever it waits for."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from sandbox import Sandbox, World
from sandbox.faults import KINDS
from tests import process
from tests.expected import NOW, days_ago
from tests.outputs import select as catalog_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from sandbox.faults import Reply

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and streams")

LONG = pytest.mark.long
AT_ONCE = 6
OUTPUTS = ["pipe that is read", "pipe", "socket", "file", "terminal", "non-blocking pipe"]


def _long_text(reply: Reply, _: str) -> None:
    """Make each record longer than what a pipe takes in one piece."""
    rows = list(csv.reader(io.StringIO(reply.body.decode()), delimiter=";"))
    at = rows[0].index("subject")
    for row in rows[1:]:
        row[at] = "x" * 20_000
    text = io.StringIO()
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    reply.body = text.getvalue().encode()


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Settings for a sandbox with long records, whose second stream never comes."""
    monkeypatch.setitem(KINDS, "long-text", _long_text)
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True) as sandbox:
        sandbox.fail("long-text", "emails")
        sandbox.fail("hang", "slotsactivity")
        yield {
            "user": sandbox.user,
            "api_key": sandbox.api_key,
            "api_url": sandbox.url,
            "start_date": days_ago(8).isoformat(),
        }


class Run:
    """A run whose standard output is of some kind, which nobody reads unless the kind says so."""

    def __init__(self, folder: Path, config: dict[str, Any], kind: str) -> None:
        """Start it."""
        folder.mkdir()
        arguments = []
        for name, content in {
            "config": config,
            "catalog": catalog_of("emails", "slotsactivity"),
        }.items():
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            arguments += [f"--{name}", str(folder / f"{name}.json")]
        self.ours, theirs = _output(folder, kind)
        self.log = folder / "log"
        self.process: BaseProcess = process.start(
            arguments, dict(os.environ), process.Descriptor(theirs), self.log, NOW
        )
        os.close(theirs)
        self.output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        if kind == "pipe that is read":
            self._reader.start()

    def _read(self) -> None:
        while found := os.read(self.ours, 1 << 16):
            self.output += found

    def says(self, text: str) -> bool:
        """Wait until its log says something."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.log.exists() and text in self.log.read_text(encoding="utf-8"):
                return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        """End it if it still runs, and let go of its output."""
        self.process.kill()
        if self._reader.ident:
            self._reader.join(10)  # or it would go on with whatever gets the number next
        os.close(self.ours)

    def signal(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self.process.exitcode is None:
            os.kill(self.process.pid or 0, signum)


def _output(folder: Path, kind: str) -> tuple[int, int]:
    """Return our end of an output, and the one to write to."""
    if kind == "socket":
        ours, theirs = socket.socketpair()
        return ours.detach(), theirs.detach()
    if kind == "terminal":
        return os.openpty()
    if kind == "file":
        path = str(folder / "output")
        return os.open(path, os.O_RDONLY | os.O_CREAT), os.open(path, os.O_WRONLY)
    ours_, theirs_ = os.pipe()
    os.set_blocking(theirs_, kind != "non-blocking pipe")
    return ours_, theirs_


@pytest.mark.slow
@pytest.mark.parametrize(
    "most",
    [pytest.param(12, id="12 moments"), pytest.param(200, id="200 moments", marks=LONG)],
)
def test_a_second_signal_ends_a_run_at_once_whatever_it_waits_for(
    config: dict[str, Any], tmp_path: Path, most: int
) -> None:
    free = {"pipe that is read", "file"}

    def ends(moment: int) -> str:
        chance = Random(moment)
        kind = OUTPUTS[moment % len(OUTPUTS)]
        first, second = (chance.choice([signal.SIGTERM, signal.SIGINT]) for _ in range(2))
        run = runs[moment]
        assert run.says("Meltano SDK v")
        if kind not in free and chance.random() < 0.7:
            select.select([run.ours], [], [], 30)  # it writes
        time.sleep(chance.random() * 0.5)
        run.signal(first)
        run.process.join(10 if kind in free else chance.uniform(0.1, 0.5))
        by_one = run.process.exitcode is not None
        run.signal(second)
        run.process.join(1)
        code = run.process.exitcode
        run.close()
        log = run.log.read_text(encoding="utf-8")
        # on a busy machine the first may take until the second is on its way
        assert code in {128 + first, 128 + (first if by_one else second)}, (kind, log)
        assert "Traceback" not in log
        # what nothing holds up is over with the first one, in whole lines
        assert by_one or kind not in free
        assert not run.output or run.output.endswith(b"\n")
        return kind if by_one else f"{kind}, by the second"

    runs: dict[int, Run] = {}
    ended: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for begin in range(0, most, AT_ONCE):
            moments = range(begin, min(begin + AT_ONCE, most))
            # not in the threads: to start a process looks whether others have ended
            for moment in moments:
                kind = OUTPUTS[moment % len(OUTPUTS)]
                runs[moment] = Run(tmp_path / str(moment), config, kind)
            ended += pool.map(ends, moments)
    assert {kind for kind in OUTPUTS if f"{kind}, by the second" in ended} >= {"pipe", "socket"}


def test_a_non_blocking_output_is_waited_for_without_spinning(
    config: dict[str, Any], tmp_path: Path
) -> None:
    run = Run(tmp_path / "run", config, "non-blocking pipe")
    assert run.says("Meltano SDK v")
    time.sleep(0.5)  # it is full by now
    before = _cpu_seconds(run.process)
    time.sleep(1)
    assert _cpu_seconds(run.process) - before < 0.3
    read = b""
    while b'"STATE"' not in read:
        read += os.read(run.ours, 1 << 16)
    run.signal(signal.SIGTERM)
    run.signal(signal.SIGTERM)
    run.process.join(5)
    run.close()
    lines = [json.loads(line) for line in read[: read.rindex(b"\n")].splitlines()]
    assert [line["type"] for line in lines[:2]] == ["SCHEMA", "RECORD"]


def _cpu_seconds(running: BaseProcess) -> float:
    times = psutil.Process(running.pid).cpu_times()
    return float(times.user + times.system)


STARTING = """
import sys
from tap_cobrowser.start import main
print("up", flush=True)
sys.argv = ["tap-cobrowser", "--version"]
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_starting_ends_it_without_a_traceback(signum: signal.Signals) -> None:
    def ends(moment: int) -> int:
        with subprocess.Popen(
            [sys.executable, "-c", STARTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as starting:
            assert starting.stdout
            assert starting.stderr
            starting.stdout.readline()
            time.sleep(0.05 + 0.15 * moment)
            starting.send_signal(signum)
            said = starting.stderr.read().decode()
            starting.stdout.read()
        assert "Traceback" not in said
        gone = starting.returncode == -signum  # Python had ended, and its handlers with it
        if starting.returncode and not gone:
            assert said == f"Stopped by {signum.name} while starting.\n"
        return 0 if gone else starting.returncode

    with ThreadPoolExecutor(3) as pool:
        codes = set(pool.map(ends, range(3)))
    assert 128 + signum in codes
    assert codes <= {0, 128 + signum}


DEAF = """
import ctypes, sys
from tap_cobrowser.tap import TapCobrowser
def wait(*_, **__):
    mutex, library = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    library.pthread_mutex_lock(mutex)
    print("up", flush=True)
    library.pthread_mutex_lock(mutex)  # which nothing interrupts
TapCobrowser.sync_all = wait
TapCobrowser.cli.main(["--config", sys.argv[1]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a wait that nothing interrupts")
def test_a_second_signal_ends_a_wait_inside_a_library(
    config: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as waiting:
        assert waiting.stdout
        assert waiting.stdout.readline() == b"up\n"
        for _ in range(2):
            waiting.send_signal(signal.SIGTERM)
            time.sleep(0.05)  # two at once would be one
        assert waiting.wait(1) == 128 + signal.SIGTERM


DEFECTS = {
    "This is a defect of tap-cobrowser (KeyError: ": (
        "from tap_cobrowser.tap import TapCobrowser; TapCobrowser.print_about = {}.__getitem__"
    ),
    "tap-cobrowser cannot start (ImportError: no such thing). Install it again": (
        "import sys; sys.modules['tap_cobrowser.tap'] = None\n"
        "import importlib; importlib.import_module = lambda _: exec("
        "'raise ImportError(\"no such thing\")')"
    ),
}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("said", DEFECTS)
def test_a_defect_ends_in_one_line_that_says_how_to_see_the_traceback(
    said: str, level: str
) -> None:
    program = (
        "; ".join((DEFECTS[said], "import sys", "sys.argv = ['tap-cobrowser', '--about']"))
        + "\nfrom tap_cobrowser.start import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "TAP_COBROWSER_LOGLEVEL": level},
    )
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == (level == "DEBUG")
    if level == "INFO":
        (line,) = done.stderr.splitlines()
        assert said in line
        assert "TAP_COBROWSER_LOGLEVEL=DEBUG" in line


CLOSED = {
    "--version >&-": "Standard output is closed. Connect it to a target or a file.",
    "--version >/dev/full": "Standard output cannot be written: No space left on device.",
    "--discover >/dev/full": "Standard output cannot be written: No space left on device.",
    "--config there-is-none 2>&-": "",
    "--config there-is-none 2>/dev/full": "",
}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")  # noqa: PTH110 - in a decorator a plain call reads best
@pytest.mark.parametrize("arguments", CLOSED)
def test_standard_streams_that_cannot_be_written_end_in_one_line_at_most(arguments: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m tap_cobrowser {arguments}', sys.executable],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 1
    assert not done.stdout
    lines = [line for line in done.stderr.splitlines() if "| INFO" not in line]
    assert len(lines) == bool(CLOSED[arguments])
    assert CLOSED[arguments] in done.stderr


LOGGING = {
    "no YAML": "a: b: c",
    "a list": "[]",
    "no class": '{"version": 1, "handlers": {"a": {"class": "no.Class"}}}',
}


@pytest.mark.parametrize("content", LOGGING.values(), ids=LOGGING.keys())
def test_an_invalid_logging_configuration_ends_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "logging.yml"
    path.write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tap_cobrowser", "--version"],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "SINGER_SDK_LOG_CONFIG": str(path)},
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("The logging configuration (SINGER_SDK_LOG_CONFIG) cannot be used: ")
