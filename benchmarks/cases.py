"""The cases: the command of each program, and what it is compared with."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import yaml
from uv import find_uv_bin

from benchmarks.measure import SINK, Usage, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGE_WINDOWS, LARGE_ROWS = 5, 100_000
LATENCY = 200  # milliseconds, of a server that is not near
IN_FLIGHT = 4
TAP, FLOOR, USUAL, DLT = "tap-cobrowser", "floor", "usual SDK tap", "dlt"
SHIPPED, STOCK = f"{TAP}, settings of meltano.yml", f"{TAP}, stock settings"
HISTORY = "history file"
LARGE = f"{LARGE_WINDOWS} windows of {LARGE_ROWS} rows"
# The metadata columns of target-duckdb are needed: without them it loses rows.
STOCK_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "target-duckdb": {"add_metadata_columns": True},
    "target-postgres": {},
}
SCHEMA = "{schema}"  # in files: the name of a schema, a new one each run
FOLDER = "{folder}"  # in commands, settings and files: an empty folder, a new one each run
_MONTH, _YEAR, _TEN_YEARS = 15, 183, 1826  # in windows of two days
_SHARE = 5  # of a backfill's windows goes into the databases, which are slow


@dataclass
class Case:
    """One line of the table.

    Attributes:
        group: The cases with which it is compared.
        name: The program.
        command: The command of the tap.
        rows: Minimum number of lines of its output; 0 if it has none.
        settings: Environment variables.
        target: The command that reads the output.
        files: JSON files in the folder, by name.
        rounds: Maximum number of rounds.
        runs: The measured runs.
    """

    group: str
    name: str
    command: Sequence[str]
    rows: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    target: Sequence[str] = SINK
    files: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    rounds: int = 1_000
    runs: list[Usage] = field(default_factory=list)

    def run(self) -> None:
        """Run once.

        Raises:
            SystemExit: If it fails, or its output has too few lines.
        """
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.files.items():
                text = json.dumps(content).replace(FOLDER, folder)
                text = text.replace(SCHEMA, f"cobrowser_{uuid4().hex[:8]}")
                (Path(folder) / name).write_text(text)
            command, target = (
                [word.replace(FOLDER, folder) for word in words]
                for words in (self.command, self.target)
            )
            settings = {
                name: value.replace(FOLDER, folder) for name, value in self.settings.items()
            }
            usage = measure(command, target, settings)
        if self.rows and int(usage.said) < self.rows:
            sys.exit(f"{self.group}, {self.name}: {usage.said.strip()} lines for {self.rows} rows")
        self.runs.append(usage)

    def median(self, what: str) -> float:
        """Return the median over the runs of one attribute of Usage."""
        return float(median(map(attrgetter(what), self.runs)))


class Backfills:
    """Makes the cases, all of them over one server."""

    def __init__(self, address: str, catalog: str, windows: int, rows: int) -> None:
        """Initialize with what all cases share.

        Args:
            address: The address of the server of rendered responses.
            catalog: Path of a catalog that selects only conversations.
            windows: Number of windows of a backfill.
            rows: Number of rows of a window.
        """
        self.address, self.catalog, self.windows, self.rows = address, catalog, windows, rows
        self.windows_into = max(windows // _SHARE, 2)
        self._today = datetime.now(ZoneInfo("Europe/Amsterdam")).date()

    def _settings(self, windows: int, latency: int) -> dict[str, str]:
        address = f"{self.address}/{latency}"
        return {
            "TAP_COBROWSER_USER": "reporting",
            "TAP_COBROWSER_API_KEY": "not a secret",
            "TAP_COBROWSER_API_URL": f"{address}/csv.php",
            "TAP_COBROWSER_START_DATE": str(self._today - timedelta(days=2 * windows - 1)),
            "TAP_COBROWSER_END_DATE": str(self._today),  # also where midnight comes in between
            "TAP_COBROWSER_MAX_CONCURRENT_REQUESTS": str(IN_FLIGHT),
            "USUAL_TAP_ADDRESS": address,
            "USUAL_TAP_WINDOWS": str(windows),
            "EXTRACT__WORKERS": str(IN_FLIGHT),  # dlt's, as the next
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }

    def _taps(self, windows: int, latency: int, *dlt_end: str) -> dict[str, list[str]]:
        own = str(windows), str(IN_FLIGHT)
        address = f"{self.address}/{latency}"
        return {
            FLOOR: _module("benchmarks.floor", address, *own),
            TAP: _module("tap_cobrowser", "--config", "ENV", "--catalog", self.catalog),
            USUAL: _module("benchmarks.usual", "--config", "ENV"),
            DLT: _module("benchmarks.dlt_pipeline", address, str(windows), FOLDER, *dlt_end),
        }

    def of_rows(self, latency: int, windows: int) -> Iterator[Case]:
        """Yield backfills of one length by all programs."""
        for name, command in self._taps(windows, latency, "extract").items():
            rows = 0 if name == DLT else windows * self.rows
            group = length(windows, latency)
            yield Case(group, name, command, rows, self._settings(windows, latency))

    def of_batches(self) -> Iterator[Case]:
        """Yield backfills in BATCH messages."""
        for form, compression in (("jsonl", "gzip"), ("parquet", "none")):
            batches = {
                "encoding": {"format": form, "compression": compression},
                "storage": {"root": f"file://{FOLDER}"},
            }
            yield Case(
                length(self.windows, 0),
                f"{TAP}, BATCH {form}",
                self._taps(self.windows, 0)[TAP],
                settings={
                    **self._settings(self.windows, 0),
                    "TAP_COBROWSER_BATCH_CONFIG": json.dumps(batches),
                },
            )

    def of_memory(self) -> Iterator[Case]:
        """Yield backfills of a month, a year and ten years."""
        lengths = {"one month": _MONTH, "one year": _YEAR, "ten years": _TEN_YEARS}
        for name, windows in lengths.items():
            rows = windows * self.rows
            settings = self._settings(windows, 0)
            command = self._taps(windows, 0)[TAP]
            rounds = 3 if windows == _MONTH else 1  # memory is steady, and these take long
            yield Case("backfill", name, command, rows, settings, rounds=rounds)

    def daily(self) -> Case:
        """Return the run of all streams on the day after the last."""
        yesterday = {"replication_key_value": str(self._today - timedelta(days=1))}
        state = {"bookmarks": dict.fromkeys(WINDOWED, yesterday)}
        return Case(
            f"daily run, {LATENCY} ms",
            TAP,
            _module("tap_cobrowser", "--config", "ENV", "--state", f"{FOLDER}/state.json"),
            settings=self._settings(self.windows, LATENCY),
            files={"state.json": state},
        )

    def of_start_up(self) -> Iterator[Case]:
        """Yield runs that only print a catalog; such short runs vary, so there are many."""
        own = Case("--discover", TAP, _module("tap_cobrowser", "--discover"))
        empty = Case("--discover", "empty SDK tap", _module("benchmarks.empty", "--discover"))
        yield from (own, empty) * 5

    def of_pipes(self, postgres: str) -> Iterator[Case]:
        """Yield backfills into databases.

        Args:
            postgres: Address of a PostgreSQL, or nothing.
        """
        windows = self.windows_into
        settings = self._settings(windows, 0)
        ends = {"target-duckdb": {"filepath": f"{FOLDER}/cobrowser.duckdb"}}
        if postgres:
            ends["target-postgres"] = {"sqlalchemy_url": postgres}
        for loader, place in ends.items():
            taps = self._taps(windows, 0, loader.removeprefix("target-"), postgres)
            for name, tap, config in (
                (SHIPPED, TAP, _shipped(loader)),
                (STOCK, TAP, STOCK_SETTINGS[loader]),
                (USUAL, USUAL, STOCK_SETTINGS[loader]),
            ):
                yield Case(
                    into(windows, loader),
                    name,
                    taps[tap],
                    settings=settings,
                    target=[*_loader(loader), "--config", f"{FOLDER}/target.json"],
                    # a schema of its own for each run, so that all of them load into nothing
                    files={"target.json": {**config, **place, "default_target_schema": SCHEMA}},
                )
            yield Case(into(windows, loader), DLT, taps[DLT], settings=settings)

    def of_large_windows(self) -> Iterator[Case]:
        """Yield a backfill of windows of 100,000 rows, by a server of its own."""
        settings = self._settings(LARGE_WINDOWS, 0)
        yield Case(
            LARGE,
            TAP,
            self._taps(LARGE_WINDOWS, 0)[TAP],
            LARGE_WINDOWS * self.rows,
            settings,
            rounds=1,
        )


def of_history(path: Path, megabytes: int, catalog: str) -> Case:
    """Write a file, and return the run that reads it instead of the API.

    Args:
        path: The file.
        megabytes: Its size.
        catalog: Path of a catalog that selects only conversations.
    """
    write = _module("benchmarks.history", str(path), str(megabytes))
    rows = subprocess.run(write, check=True, stdout=subprocess.PIPE).stdout
    return Case(
        HISTORY,
        f"{megabytes} MB",
        _module("tap_cobrowser", "--config", "ENV", "--catalog", catalog),
        int(rows),
        {"TAP_COBROWSER_HISTORY_FILES": str(path)},
        rounds=1,
    )


WINDOWED = (
    "conversations",
    "emails",
    "agentactivity",
    "slotsactivity",
    "agentperformance",
    "accountspecshourly",
    "hostspecshourly",
    "filterstatshourly",
)


def length(windows: int, latency: int) -> str:
    """Return the name of a group of backfills."""
    return f"{windows} window{'' if windows == 1 else 's'}, {latency} ms"


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def into(windows: int, loader: str) -> str:
    """Return the name of a group of backfills into a database."""
    return f"{length(windows, 0)}, {loader}"


def _plugin(name: str) -> dict[str, Any]:
    project = yaml.safe_load((Path(__file__).parent.parent / "meltano.yml").read_text())
    loaders = project["plugins"]["loaders"]
    return next(each for each in loaders if each["name"] == name)


def _shipped(name: str) -> dict[str, Any]:
    """Return the settings of a target that `meltano.yml` has."""
    config: dict[str, Any] = _plugin(name)["config"]
    return config


def _loader(name: str) -> list[str]:
    """Return the command of a target, in an environment of its own as `meltano.yml` has it."""
    first, *others = _plugin(name)["pip_url"].split()
    extra = [word for other in others for word in ("--with", other)]
    return [find_uv_bin(), "tool", "run", "--quiet", "--from", first, *extra, name]
