"""`python -m sandbox`: a command with its own options, variables to paste, signals, lists."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import fields
from datetime import datetime, timedelta, timezone

import pytest
import requests

from sandbox import Readings, Sandbox
from sandbox.cli import main
from sandbox.faults import KINDS
from tests.expected import NOW

RUN = [sys.executable, "-m", "sandbox"]
PRINT = "import os, sys; print(*sys.argv[1:], *sorted(os.environ), sep='\\n'); sys.exit(7)"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], capture_output=True, check=False, encoding="utf-8")


@pytest.mark.parametrize("before", [[], ["--seed", "3", "--verbose"], ["--"]])
def test_a_command_gets_its_own_options_the_settings_and_its_exit_code(before: list[str]) -> None:
    options = ["--list", "--help", "--verbose", "--port", "x", "--", "-h"]
    done = run(*before, sys.executable, "-c", PRINT, *options)
    assert done.returncode == 7
    printed = done.stdout.splitlines()
    assert printed[: len(options)] == options
    names = ("API_KEY", "API_URL", "CCC_AGENT", "TIMEZONE", "USER")
    assert [f"TAP_COBROWSER_{name}" for name in names] == [
        line for line in printed if line.startswith("TAP_COBROWSER_")
    ]
    assert "for trying and testing only" in done.stderr


def test_a_command_that_is_not_there_is_named() -> None:
    done = run("there-is-no-such-command")
    assert done.returncode == 127
    assert "there-is-no-such-command" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--timezone", "Nowhere"], "--timezone"),
        (["--rows-per-day", "-1"], "--rows-per-day"),
        (["--fault", "none"], "fault none"),
        (["--fault", "empty,command=none"], "command none"),
        (["--fault", "empty,times=x"], "empty,times=x"),
        (["--clock", "noon"], "noon"),
        (["--reading", "nothing_such=1"], "nothing_such"),
        (["--reading", "quoting=none"], "quoting"),
        (["--reading", "none:quoting=rfc"], "command none"),
        (["--verb", "true"], "--verb"),  # not a short form of --verbose
        (["--export", "folder"], "--from"),
        (["--from", "2026-01-01"], "--export"),
        (["--export", "folder", "--from", "x"], "x is not a day"),
    ],
)
def test_a_wrong_option_is_named(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(options)
    assert named in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="signals are sent another way there")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [[], [sys.executable, "-c", "input()"]])
def test_it_stops_on_a_signal_and_with_it_the_command(
    signum: signal.Signals, command: list[str]
) -> None:
    with subprocess.Popen(
        [*RUN, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stderr
        assert "Serving" in process.stderr.readline()
        threading.Event().wait(0.5)
        os.killpg(process.pid, signum)  # as a terminal does
        process.wait(20)
        said = process.stderr.read()
    assert process.returncode in {128 + signum, 1}, said


def test_without_a_command_it_prints_lines_to_paste_into_a_shell() -> None:
    with subprocess.Popen(
        [*RUN, "--clock", NOW.isoformat(), "--frozen"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        words = [shlex.split(process.stdout.readline()) for _ in range(5)]
        assert {word for word, _ in words} == {"export"}
        settings = dict(assignment.split("=", 1) for _, assignment in words)
        assert settings["TAP_COBROWSER_API_KEY"] == Sandbox.api_key
        query = {"user": Sandbox.user, "apiKey": Sandbox.api_key, "c": "accounts"}
        response = requests.get(settings["TAP_COBROWSER_API_URL"], query, timeout=5)
        assert response.status_code == 200
        assert response.headers["Date"] == "Sun, 22 Nov 2026 13:30:00 GMT"
        process.terminate()


@pytest.mark.parametrize("option", ["--list-faults", "--list-readings"])
def test_what_can_be_chosen_is_listed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    listed = capsys.readouterr().out
    readings = [f"{each.name}=" for each in fields(Readings) if each.metadata]
    names = KINDS if option == "--list-faults" else [*readings, "COMMAND:NAME=VALUE"]
    assert all(name in listed for name in names)


def test_the_clock_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "By default it shows the real time. --clock starts it at another time" in text


def test_a_clock_goes_on_unless_it_is_frozen(sandbox: Sandbox) -> None:
    real = datetime.now(timezone.utc)
    sandbox.set_clock(None)
    assert real <= sandbox.now() <= real + timedelta(minutes=1)
    sandbox.set_clock(None, frozen=True)
    assert real <= sandbox.now() == sandbox.now()
    sandbox.set_clock(NOW, frozen=True)
    assert sandbox.now() == NOW
    sandbox.set_clock(NOW)
    threading.Event().wait(0.01)
    assert NOW < sandbox.now() < NOW + timedelta(minutes=1)
