"""`python -m sandbox`: serves the sandbox, until Ctrl-C or while a command runs."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

from sandbox.faults import KINDS
from sandbox.readings import Readings, list_readings, parse_reading
from sandbox.server import Fault, Sandbox
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOUND = 127
_GRACE = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, and return the exit code of the command, or of the signal that ended it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list_faults:
        for name, change in KINDS.items():
            print(f"{name:18} {change.__doc__}")  # noqa: T201
        return 0
    if options.list_readings:
        for line in list_readings():
            print(line)  # noqa: T201
        return 0
    try:
        world = World(
            options.seed,
            options.rows_per_day,
            options.timezone,
            unnamed_preset=options.unnamed_preset,
        )
        sandbox = Sandbox(
            world,
            port=options.port,
            clock=options.clock,
            frozen=options.frozen,
            latency=options.latency,
            window_days=options.window_days,
            verbose=options.verbose,
            readings=Readings(**dict(options.reading)),
        )
    except (OSError, OverflowError, LookupError, ValueError) as error:
        parser.error(f"cannot start: {error}")
    sandbox.faults += options.fault
    with sandbox:
        _say(f"Serving made-up data at {sandbox.url}, for trying and testing only.")
        variables = sandbox.environment(plain_agent=options.plain_agent)
        if options.command:
            return _run(options.command, variables)
        for name, value in variables.items():
            _say(f"  {name}='{value}'")
        _say("Set these variables and run `tap-cobrowser --config ENV`. Press Ctrl-C to stop.")
        return _serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=(
            "Serve CoBrowser.net's CSV export API with made-up data on a loopback port, for trying "
            "and testing only. With COMMAND, run the command with TAP_COBROWSER_* variables that "
            "point to the sandbox, and stop when it ends."
        ),
    )
    add = parser.add_argument
    add("--port", type=_number, default=0, help="port on 127.0.0.1 (default: a free port)")
    add(
        "--seed",
        type=int,
        default=1,
        help="seed of the data; another seed makes other rows (default: 1)",
    )
    add(
        "--rows-per-day",
        type=_number,
        default=200,
        help="approximate number of conversations on a busy weekday (default: 200)",
    )
    add(
        "--timezone",
        type=_zone,
        default="Europe/Amsterdam",
        help="time zone of the server's days (default: Europe/Amsterdam)",
    )
    add(
        "--clock",
        type=_moment,
        help="ISO 8601 date-time at which the server's clock starts (default: the real time)",
    )
    add("--frozen", action="store_true", help="stop the server's clock at --clock")
    add(
        "--latency",
        type=float,
        default=0.0,
        help="seconds to wait before each response (default: 0)",
    )
    add("--window-days", type=_number, default=2, help="maximum days per request (default: 2)")
    add("--plain-agent", action="store_true", help="use a user who is not a CCC agent")
    add("--unnamed-preset", action="store_true", help="leave the name of one preset empty")
    add("--verbose", action="store_true", help="print each request, without user and key")
    add(
        "--fault",
        action="append",
        type=_fault,
        default=[],
        metavar="KIND[,command=C][,times=N][,after=N][,one_in=N][,start=N]",
        help="make requests fail, see --list-faults; may be repeated",
    )
    add("--list-faults", action="store_true", help="list the kinds of faults")
    add(
        "--reading",
        action="append",
        type=_reading,
        default=[],
        metavar="NAME=VALUE",
        help="interpret the API's page in another way, see --list-readings; may be repeated",
    )
    add(
        "--list-readings",
        action="store_true",
        help="list the ways to interpret the API's page, with the default first",
    )
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="command to run")
    return parser


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        msg = "must be 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return number


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (LookupError, ValueError, OSError):
        msg = f"{text} is not a known time zone"
        raise argparse.ArgumentTypeError(msg) from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except ValueError:
        msg = f"{text} is not an ISO 8601 date-time, such as 2026-11-22T23:59:50+01:00"
        raise argparse.ArgumentTypeError(msg) from None


def _fault(text: str) -> Fault:
    kind, *rest = text.split(",")
    if kind not in KINDS:
        msg = f"there is no fault {kind}; see --list-faults"
        raise argparse.ArgumentTypeError(msg)
    options = dict(each.partition("=")[::2] for each in rest)
    command = options.pop("command", None)
    try:
        return Fault(kind, command, **{name: int(value) for name, value in options.items()})
    except (TypeError, ValueError):
        msg = f"{text} is not KIND[,command=C][,times=N][,after=N][,one_in=N][,start=N]"
        raise argparse.ArgumentTypeError(msg) from None


def _reading(text: str) -> tuple[str, object]:
    try:
        return parse_reading(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(command: list[str], variables: dict[str, str]) -> int:
    """Run a command until it ends, pass signals on, and return its exit code."""
    # The tap and Meltano are usually installed beside this executable.
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    environment = {**os.environ, **variables, "PATH": path}
    environment |= {"NO_PROXY": no_proxy, "no_proxy": no_proxy}
    program = shutil.which(command[0], path=path)
    if program is None:
        _say(f"python -m sandbox: command not found: {command[0]}")
        return _NOT_FOUND
    process = subprocess.Popen([program, *command[1:]], env=environment)  # noqa: S603

    def pass_on(signum: int, _: object) -> None:
        if signum == signal.SIGINT:
            # A terminal sends it to the command as well; help only if the command ignores it.
            timer = threading.Timer(_GRACE, _interrupt, [process])
            timer.daemon = True
            timer.start()
        else:
            process.terminate()

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, pass_on)
    code = process.wait()
    return 128 - code if code < 0 else code


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)


def _serve() -> NoReturn:
    ended = threading.Event()
    codes: list[int] = []

    def stop(signum: int, _: object) -> None:
        codes.append(128 + signum)
        ended.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    while not ended.wait(0.2):  # on Windows, a wait without a timeout is not interrupted
        pass
    sys.exit(codes[0])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
