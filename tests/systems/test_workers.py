"""A history that an orchestrator spreads over workers has exactly the rows of one run."""

from __future__ import annotations

import os
import subprocess
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from uv import find_uv_bin

from sandbox import Sandbox, World
from tests.expected import NOW, expected, ordered
from tests.keys import shows_key
from tests.projects import PROGRAMS, ROOT, Project

if TYPE_CHECKING:
    from sandbox.server import Request
    from tests.databases import Database

# Slices side by side are also in docs/backfills.md, whose commands test_docs.py runs.
pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]
EXAMPLE = ROOT / "examples" / "dagster"
STREAMS = ("accounts", "cccslotsactivity", "conversations", "emails", "agentactivity")

if not EXAMPLE.is_dir():
    pytest.skip("only a checkout has the example", allow_module_level=True)


def test_months_side_by_side_one_killed_and_retried_are_exactly_one_history(
    project_folder: Path, meltano: Project, database: Database
) -> None:
    killed: list[Request] = []

    def kill(request: Request) -> None:
        """Kill a month's Meltano, tap and target, without a last word, as when a machine dies."""
        if request.command == "emails" and request.start == 34 and not killed:  # 19 October
            killed.append(request)
            for process in psutil.Process(worker.pid).children(recursive=True):
                if "--state-id=cobrowser-main-2026-10-01" in process.cmdline():
                    for each in [process, *process.children(recursive=True)]:
                        each.kill()

    if os.name == "nt":  # where the fixture has not done so; both would at once
        meltano("install")
    words = [find_uv_bin(), "run", "--no-project", "--quiet", "--with-requirements"]
    words += [str(EXAMPLE / "requirements.txt"), "python"]
    words += [str(Path(__file__).parent / "dagster_months.py"), str(EXAMPLE / "definitions.py")]
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        sandbox.before_rows = kill
        with subprocess.Popen(
            [*words, "2026-10-01", "2026-11-01"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={
                **os.environ,
                **sandbox.environment(),
                "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
                "COBROWSER_FIRST_MONTH": "2026-09-01",
                "DAGSTER_DISABLE_TELEMETRY": "1",
                "MELTANO_PROJECT_ROOT": str(project_folder),
                "TAP_COBROWSER__SELECT": str([f"{name}.*" for name in STREAMS]).replace("'", '"'),
                "TARGET_POSTGRES_SQLALCHEMY_URL": database.uri,
            },
        ) as worker:
            output = worker.communicate(timeout=500)[0]
    assert worker.returncode == 0, output
    for stream in STREAMS:
        rows = expected(sandbox.world, stream, date(2026, 10, 1))
        assert ordered(database.rows(stream)) == ordered(rows), stream
    assert killed
    assert "STEP_UP_FOR_RETRY" in output
    assert not shows_key(output)
