"""Meltano projects: one with the installed plugins, and light ones that link to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.keys import shows_key

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
Project = Callable[..., "subprocess.CompletedProcess[str]"]
_FILES = ("pyproject.toml", "README.md", "LICENSE", "meltano.yml")
_FOLDERS = ("tap_cobrowser", "sandbox", "dbt_project", "report")
_KINDS = ("extractors", "loaders", "utilities")


def copy_project(folder: Path) -> None:
    """Copy what a clone has, as Meltano needs it."""
    for name in _FILES:
        shutil.copy(ROOT / name, folder)
    for name in _FOLDERS:
        if (ROOT / name).is_dir():  # an sdist has the first one alone
            ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "output").mkdir()


def install(folder: Path) -> None:
    """Make a project with its plugins, and with an empty database of Meltano's."""
    copy_project(folder)
    if os.name != "nt":  # where links are for administrators: each project installs its own
        run_meltano(folder, "install")
        run_meltano(folder, "state", "list")


def link(installed: Path, folder: Path) -> Path:
    """Make a project that shares code and plugins with the installed one, and nothing else."""
    if os.name == "nt":
        copy_project(folder)
        return folder
    for path in installed.iterdir():
        if path.name == "meltano.yml":
            shutil.copy(path, folder)
        elif path.name not in {".meltano", "output"}:
            (folder / path.name).symlink_to(path)
    own = folder / ".meltano"
    for path in (own, folder / "output"):
        path.mkdir()
    for kind in _KINDS:
        (own / kind).symlink_to(installed / ".meltano" / kind)
    shutil.copy(installed / ".meltano" / "meltano.db", own)
    return folder


def run_meltano(
    folder: Path,
    *arguments: str,
    code: Any = 0,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run Meltano in a project."""
    done = subprocess.run(
        [str(PROGRAMS / "meltano"), *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env={
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            **environment,
        },
        timeout=500,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert not shows_key(said)
    return done
