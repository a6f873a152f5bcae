"""`python -m sandbox`: serves the sandbox while a command runs or until Ctrl-C, or writes files."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

from sandbox.export import Export
from sandbox.faults import KINDS, Fault
from sandbox.readings import list_readings, parse_reading, parse_readings
from sandbox.server import Sandbox
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.readings import Readings

_NOT_FOUND = 127
_GRACE = 5.0
_DESCRIPTION = """\
Serve CoBrowser.net's CSV export API with made-up data on a loopback port, for trying and testing
only. With COMMAND, run the command with TAP_COBROWSER_* variables that point to the sandbox, and
stop when it ends. Options of the sandbox come before COMMAND; all that follows belongs to COMMAND.
"""
_CLOCK = """\
The server has a clock, which decides what today is, and which rows exist yet. By default it shows
the real time. --clock starts it at another time, from which it goes on. With --frozen it stands
still, so that each run returns the same rows.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve or export, and return the exit code of the command, or of the signal that ended it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list_faults or options.list_readings:
        faults = (f"{name:18} {change.__doc__}" for name, change in KINDS.items())
        for line in faults if options.list_faults else list_readings():
            print(line)
        return 0
    if len({bool(each) for each in (options.export, options.first, options.last)}) > 1:
        parser.error("--export, --from and --to belong together")
    try:
        world = World(
            options.seed,
            options.rows_per_day,
            options.timezone,
            unnamed_preset=options.unnamed_preset,
            most_days=None if options.export else 14,
        )
        readings = parse_readings(options.reading)
        if options.export:
            return _export(world, readings, options)
        sandbox = Sandbox(
            world,
            port=options.port,
            clock=options.clock,
            frozen=options.frozen,
            latency=options.latency,
            window_days=options.window_days,
            verbose=options.verbose,
            readings=readings,
        )
    except (OSError, OverflowError, LookupError, ValueError) as error:
        parser.error(f"cannot start: {error}")
    sandbox.faults += options.fault
    with sandbox:
        _say(f"Serving made-up data at {sandbox.url}, for trying and testing only.")
        variables = sandbox.environment(plain_agent=options.plain_agent)
        command = options.command[options.command[:1] == ["--"] :]
        if command:
            return _run(command, variables)
        _say("Paste these lines into another shell, then run `tap-cobrowser --config ENV` there.")
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        _say("Press Ctrl-C to stop.")
        return _serve()


def _export(world: World, readings: Readings, options: argparse.Namespace) -> int:
    if options.command:
        msg = "--export runs no COMMAND"
        raise ValueError(msg)
    now = options.clock or datetime.now(timezone.utc)
    days = options.first, options.last
    export = Export(world, readings, now, *days, ccc=not options.plain_agent)
    for path, rows in export.write(options.export):
        print(f"{rows:>9} rows in {path}", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=_DESCRIPTION,
        epilog=_CLOCK,
        allow_abbrev=False,  # a shortened option could be one of COMMAND's
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
    add("--frozen", action="store_true", help="let the server's clock stand still")
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
        metavar="[COMMAND:]NAME=VALUE",
        help="interpret the API's page in another way, see --list-readings; may be repeated",
    )
    add(
        "--list-readings",
        action="store_true",
        help="list the ways to interpret the API's page, with the default first",
    )
    add(
        "--export",
        type=Path,
        metavar="FOLDER",
        help="write CSV files, one per command and year, instead of serving; --reading applies",
    )
    add("--from", dest="first", type=_day, metavar="DAY", help="first day to export")
    add("--to", dest="last", type=_day, metavar="DAY", help="last day to export, inclusive")
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


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"{text} is not a day, such as 2026-11-22"
        raise argparse.ArgumentTypeError(msg) from None


def _fault(text: str) -> Fault:
    kind, *rest = text.split(",")
    options = dict(each.partition("=")[::2] for each in rest)
    command = options.pop("command", None)
    try:
        return Fault(kind, command, **{name: int(value) for name, value in options.items()})
    except KeyError as error:
        raise argparse.ArgumentTypeError(error.args[0]) from None
    except (TypeError, ValueError):
        msg = f"{text} is not KIND[,command=C][,times=N][,after=N][,one_in=N][,start=N]"
        raise argparse.ArgumentTypeError(msg) from None


def _reading(text: str) -> str:
    try:
        parse_reading(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


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
    process = subprocess.Popen([program, *command[1:]], env=environment)

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
    print(line, file=sys.stderr, flush=True)
