"""The command line: each error ends in one line with exit code 1, and none quotes the key."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tap_cobrowser.errors import StreamsFailedError
from tap_cobrowser.singer.messages import LineWriter
from tap_cobrowser.tap import TapCobrowser

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = {"user": "somebody", "api_key": "quite-A-Hidden-4242"}


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs the command in this process; its requests are replaced by a function."""

    def run_once(
        sync: Callable[[TapCobrowser], Any] = lambda _: None, *arguments: str, level: str = "INFO"
    ) -> tuple[int, str]:
        (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        monkeypatch.setattr(TapCobrowser, "sync_all", sync)
        monkeypatch.setattr(TapCobrowser, "try_streams", sync)
        monkeypatch.setenv("TAP_COBROWSER_LOGLEVEL", level)
        handlers = list(logging.root.handlers)
        with pytest.raises(SystemExit) as left:
            TapCobrowser.cli.main(["--config", str(tmp_path / "config.json"), *arguments])
        logging.root.handlers[:] = handlers
        return int(left.value.code or 0), capfd.readouterr().err

    return run_once


def raising(error: BaseException) -> Callable[[TapCobrowser], Any]:
    def sync(_: TapCobrowser) -> None:
        raise error

    return sync


def test_an_error_of_the_tap_is_the_last_line(run: Callable[..., tuple[int, str]]) -> None:
    code, log = run(raising(StreamsFailedError("1 of 2 streams failed: 'emails'")))
    assert code == 1
    assert log.splitlines()[-1].endswith("| 1 of 2 streams failed: 'emails'.")
    assert "Traceback" not in log


@pytest.mark.parametrize("arguments", [(), ("--test",)])
def test_any_other_error_is_a_defect_with_a_traceback_at_level_debug_only(
    run: Callable[..., tuple[int, str]], arguments: tuple[str, ...]
) -> None:
    url = ValueError(f"https://host/csv.php?apiKey={CONFIG['api_key']}")
    for level in ("INFO", "DEBUG"):
        code, log = run(raising(url), *arguments, level=level)
        assert code == 1
        assert "This is a defect of tap-cobrowser (ValueError: (not quoted: " in log
        assert ("Traceback" in log) == (level == "DEBUG")
        assert "apiKey=" not in log
        assert "ERROR" in log.splitlines()[-1]


def test_an_error_of_the_system_is_not_one_of_standard_output(
    run: Callable[..., tuple[int, str]],
) -> None:
    code, log = run(raising(OSError(errno.EMFILE, os.strerror(errno.EMFILE))))
    assert code == 1
    assert "Too many open files" in log.splitlines()[-1]
    assert "Standard output" not in log


def test_a_signal_leaves_with_its_exit_code_after_whole_lines(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    waits: list[Callable[[], None]] = []

    def sync(tap: TapCobrowser) -> None:
        tap._handle_termination(signal.SIGTERM, None)

    monkeypatch.setattr(LineWriter, "stop", lambda _, leave: waits.append(leave))
    run(sync)
    assert not left  # while lines are written
    waits[0]()
    assert left == [128 + signal.SIGTERM]


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_state_file_starts_at_start_date_with_a_warning(
    run: Callable[..., tuple[int, str]], tmp_path: Path, blank: str
) -> None:
    (tmp_path / "state.json").write_text(blank)
    code, log = run(lambda _: None, "--state", str(tmp_path / "state.json"))
    assert code == 0
    assert "WARNING" in log
    assert "The state file is empty, so the run begins at `start_date`." in log


@pytest.mark.parametrize("name", ["state", "catalog"])
@pytest.mark.parametrize("content", ["{", "[]", '"text"', "\xff"])
def test_an_input_file_that_cannot_be_used_is_rejected(
    run: Callable[..., tuple[int, str]], tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / "input.json"
    path.write_text(content, encoding="latin-1")
    code, log = run(lambda _: None, f"--{name}", str(path))
    assert code == 1
    assert f"The {name} file (--{name}) cannot be read: " in log.splitlines()[-1]


@pytest.mark.parametrize(
    "argument",
    ["--x=quite-A-Hidden-4242", "quite-A-Hidden-4242", "-kquite-A-Hidden", "--state={'a': 4242}"],
)
def test_a_usage_error_does_not_quote_the_command_line(
    run: Callable[..., tuple[int, str]], argument: str
) -> None:
    code, log = run(lambda _: None, argument)
    assert code == 1
    assert "Hidden" not in log
    assert "4242" not in log


@pytest.mark.skipif(sys.platform == "win32", reason="has no such device")
@pytest.mark.parametrize("option", ["--version", "--about", "--discover"])
def test_a_full_disk_is_an_error_of_standard_output(option: str) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "tap_cobrowser", option],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            encoding="utf-8",
        )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "Standard output cannot be written: No space left on device." in last


@pytest.mark.parametrize("option", ["--discover", "--about", "--version", "--help"])
def test_a_pipe_that_nobody_reads_is_one_line(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tap_cobrowser", option],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    os.close(writer)
    assert done.returncode == 1
    assert "The target has stopped reading" in done.stderr.splitlines()[-1]
