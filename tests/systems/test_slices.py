"""A history that the documented command loads in slices, side by side, is that of one run."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tests.expected import NOW, expected, ordered
from tests.keys import shows_key
from tests.projects import PROGRAMS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.databases import Database
    from tests.projects import Project

if not (ROOT / "docs").is_dir():
    pytest.skip("only a checkout has the documentation", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="the command is for a Unix shell"),
]
FIRST = date(2026, 9, 1)


def _documented() -> str:
    """Return the documented command, for two months instead of two years."""
    page = (ROOT / "docs" / "backfills.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^printf .*\n.*$", page, re.MULTILINE)
    changes = {"2024 2025": "2026-09 2026-10", "YEAR-01-01": "YEAR-01", "YEAR-12-31": "YEAR-30"}
    for years, months in changes.items():
        assert years in command
        command = command.replace(years, months)
    return str(command)


def test_slices_side_by_side_load_each_row_once_and_the_command_fails_if_a_slice_does(
    project_folder: Path, meltano: Project, database: Database
) -> None:
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_MAX_RETRIES": "0",
            "TARGET_POSTGRES_SQLALCHEMY_URL": database.uri,
        }

        def run_slices() -> subprocess.CompletedProcess[str]:
            path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
            return subprocess.run(
                ["bash", "-c", _documented()],
                capture_output=True,
                check=False,
                cwd=project_folder,
                encoding="utf-8",
                env={**os.environ, **environment, "NO_COLOR": "1", "PATH": path},
                timeout=300,
            )

        daily = {**environment, "TAP_COBROWSER_START_DATE": "2026-10-31"}
        meltano("run", "tap-cobrowser", "target-postgres", **daily)
        without_days = [each.command for each in sandbox.requests if each.start is None]
        sandbox.fail("status-503", "emails", times=1)
        failed = run_slices()
        assert failed.returncode
        assert "stream 'emails'" in failed.stderr.lower()
        for _ in range(3):  # two slices may insert a row that lasts from one into the other
            done = run_slices()
            if not done.returncode:
                break
            assert "UniqueViolation" in done.stdout + done.stderr
        assert not done.returncode
        assert [each.command for each in sandbox.requests if each.start is None] == without_days
        for stream in TABLES:
            rows = expected(sandbox.world, stream, FIRST)
            assert ordered(database.rows(stream)) == ordered(rows), stream
    assert not shows_key(failed.stdout + failed.stderr + done.stdout + done.stderr)
