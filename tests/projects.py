"""Meltano projects, copied from this one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).parent.parent
Project = Callable[..., "subprocess.CompletedProcess[str]"]


def copy_project(folder: Path) -> None:
    """Copy what a clone has, as Meltano needs it."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "meltano.yml"):
        shutil.copy(ROOT / name, folder)
    for name in ("tap_cobrowser", "sandbox", "dbt_project", "report"):
        if (ROOT / name).is_dir():  # an sdist has the first two alone
            ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "output").mkdir()
