"""History from files beside daily runs, through Meltano into real databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sandbox import Readings, Sandbox, World
from sandbox.export import Export
from sandbox.world import TABLES
from tests.databases import latest, rows_in_duckdb
from tests.expected import NOW, days_ago, expected, ordered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.databases import Database
    from tests.projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]
LOOK_BACK = 3  # the default
FIRST, START = days_ago(8), days_ago(4)


def test_files_between_two_daily_runs_make_the_tables_of_one_run_over_all_days(
    project_folder: Path, meltano: Project, database: Database, tmp_path: Path
) -> None:
    targets = ("tap-cobrowser", "target-duckdb", "tap-cobrowser", "target-postgres")
    world, tomorrow = World(rows_per_day=10), NOW + timedelta(days=1)
    readings = Readings(packed="zip", dates="iso", quoting="fputcsv", separator="comma")
    # days of the first run, too
    list(Export(world, readings, NOW, FIRST, days_ago(3)).write(tmp_path / "old files"))
    into = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.uri}
    with Sandbox(world, clock=NOW, frozen=True) as sandbox:
        daily = {
            **into,
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": START.isoformat(),
        }
        meltano("run", *targets, **daily)
        sandbox.requests.clear()
        files = {
            "TAP_COBROWSER_HISTORY_FILES": str(tmp_path / "old files"),
            "TAP_COBROWSER_CCC_AGENT": "true",
        }
        meltano("run", *targets, **into, **files)
        assert not sandbox.requests
        sandbox.set_clock(tomorrow, frozen=True)
        meltano("run", *targets, **daily)
        # the bookmarks are those of the first run
        asked = [each.start or 0 for each in sandbox.requests if each.command == "hostspecshourly"]
        assert max(asked[-3:]) == 1 + LOOK_BACK
    output = project_folder / "output" / "cobrowser.duckdb"
    for stream in TABLES:
        rows = ordered(
            latest(
                stream,
                # its response reaches back to a day that moves
                expected(world, stream, FIRST) if stream == "cccslotsactivity" else [],
                expected(world, stream, FIRST, tomorrow.date(), tomorrow),
            )
        )
        assert ordered(rows_in_duckdb(output, stream)) == rows, stream
        assert ordered(database.rows(stream)) == rows, stream
