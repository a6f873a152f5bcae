"""A history that an orchestrator spreads over workers has exactly the rows of one run."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from uv import find_uv_bin

from sandbox import Sandbox, World
from tests.databases import rows_in_postgres
from tests.expected import NOW, expected, ordered
from tests.keys import shows_key
from tests.projects import ROOT, Project

if TYPE_CHECKING:
    from sandbox.server import Request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EXAMPLE = ROOT / "examples" / "dagster"
OF_A_RUN = ("meltano", "tap-cobrowser", "target-postgres")
STREAMS = ("conversations", "emails", "agentactivity")


def test_months_side_by_side_one_killed_and_retried_are_exactly_one_history(
    project_folder: Path, meltano: Project, postgres: Any, tmp_path: Path
) -> None:
    workers: dict[int, subprocess.Popen[str]] = {}
    killed: list[Request] = []

    def kill(request: Request) -> None:
        if request.command == "emails" and request.start == 34 and not killed:  # 19 October
            killed.append(request)
            # As when a machine dies: Meltano, the tap and the target, without a last word.
            for process in psutil.Process(workers[10].pid).children(recursive=True):
                if any(f"bin/{name}" in " ".join(process.cmdline()) for name in OF_A_RUN):
                    process.kill()

    if os.name == "nt":  # where the fixture has not done so; all three would at once
        meltano("install")
    dagster = [find_uv_bin(), "run", "--no-project", "--quiet", "--with-requirements"]
    dagster += [str(EXAMPLE / "requirements.txt"), "dagster", "asset", "materialize"]
    dagster += ["-f", str(EXAMPLE / "definitions.py"), "--select", "cobrowser", "--partition"]
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True) as sandbox:
        sandbox.before_rows = kill
        environment = {
            **os.environ,
            **sandbox.environment(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COBROWSER_FIRST_MONTH": "2026-09-01",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "MELTANO_PROJECT_ROOT": str(project_folder),
            "TAP_COBROWSER__SELECT": str([f"{stream}.*" for stream in STREAMS]).replace("'", '"'),
            "TARGET_POSTGRES_SQLALCHEMY_URL": postgres.get_uri(),
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "workers",
        }
        homes = {month: tmp_path / str(month) for month in (9, 10, 11)}  # as on three machines
        for home in homes.values():
            home.mkdir()
        for month, home in homes.items():
            workers[month] = subprocess.Popen(
                [*dagster, f"main|2026-{month:02}-01"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**environment, "DAGSTER_HOME": str(home)},
                encoding="utf-8",
            )
        outputs = [worker.communicate(timeout=500)[0] for worker in workers.values()]
        assert [worker.returncode for worker in workers.values()] == [0] * 3, "\n".join(outputs)
        for stream in STREAMS:
            rows = expected(sandbox.world, stream, date(2026, 9, 1))
            assert ordered(rows_in_postgres(postgres, stream, "workers")) == ordered(rows), stream
    assert killed
    assert not shows_key("".join(outputs))
    assert "STEP_UP_FOR_RETRY" in outputs[1]
