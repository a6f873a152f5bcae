"""The demo of README.md and the page of charts, each run once for all tests.

The demo loads a day; the run of the page, on the next day, adds to what is there. Summer time ends
in between: the 25th has 25 hours.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tests.databases import latest
from tests.expected import AMSTERDAM, expected
from tests.projects import link, run_meltano

if TYPE_CHECKING:
    from pathlib import Path

FIRST, NOW = date(2026, 10, 13), datetime(2026, 10, 27, 14, 30, tzinfo=AMSTERDAM)
DAY_BEFORE = NOW - timedelta(days=1)
WORLD = World(rows_per_day=30)
LOOK_BACK = 3  # the default
Tables = dict[str, list[dict[str, Any]]]


def loaded_by_the_first_run() -> Tables:
    """Return the rows of each stream."""
    return {name: expected(WORLD, name, FIRST, DAY_BEFORE.date(), DAY_BEFORE) for name in TABLES}


def loaded_by_both_runs() -> Tables:
    """Return the rows of each stream: those of the look-back come again."""
    first = DAY_BEFORE.date() - timedelta(days=LOOK_BACK)
    return {
        name: latest(name, rows, expected(WORLD, name, first, NOW.date(), NOW))
        for name, rows in loaded_by_the_first_run().items()
    }


class Demo:
    """What the two runs have left.

    Attributes:
        project: The folder of the Meltano project.
        file: The DuckDB file.
        page: The page of charts.
        said: What each of the runs has printed.
        oldest: The oldest day that the second run has asked for, in days ago.
    """

    def __init__(self, folder: Path) -> None:
        """Read it from the folder that `run_both` has filled."""
        self.project = folder / "project"
        self.file = self.project / "output" / "cobrowser.duckdb"
        self.page = self.project / "output" / "report.html"
        self.said: list[str] = json.loads((folder / "said.json").read_text(encoding="utf-8"))
        self.oldest = int((folder / "oldest").read_text(encoding="utf-8"))


def run_both(plugins: Path, folder: Path) -> None:
    """Run the demo and, on the next day, what makes the page."""
    project = folder / "project"
    project.mkdir()
    link(plugins, project)
    with Sandbox(WORLD, clock=DAY_BEFORE, frozen=True) as sandbox:
        environment: dict[str, Any] = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": FIRST.isoformat(),
        }
        run = partial(run_meltano, project, "run")
        done = [run("demo", **environment)]
        sandbox.set_clock(NOW, frozen=True)
        sandbox.requests.clear()
        done += [run("report", **environment)]
    said = [each.stdout + each.stderr for each in done]
    (folder / "said.json").write_text(json.dumps(said), encoding="utf-8")
    oldest = max(request.start or 0 for request in sandbox.requests)
    (folder / "oldest").write_text(str(oldest), encoding="utf-8")
