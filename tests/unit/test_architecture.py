"""The architecture: imports point one way, and no class or module is too long."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.projects import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "tap_cobrowser"
SOURCES = sorted([*PACKAGE.glob("*.py"), *PACKAGE.glob("doctor/*.py")])
NAMES = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in SOURCES}
LISTED = re.findall(
    r"^\| `([\w/]+)\.py` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
)


def imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "tap_cobrowser":
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tap_cobrowser."):
            found.add("/".join((node.module or "").split(".")[1:]))
    return found


def test_every_module_is_listed_with_what_lives_there() -> None:
    assert {name for name in NAMES if "__" not in name} == set(LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_imports_point_down_the_list(name: str) -> None:
    below = LISTED[LISTED.index(name) + 1 :]
    assert imports(name) <= {*below}


def test_the_api_client_knows_nothing_of_singer() -> None:
    code = (
        "import sys; from tap_cobrowser.api import Api; "
        "sys.exit(any(name.startswith('singer') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path",
    [path for path in PACKAGE.rglob("*.py") if path.name != "streams.py"],  # which is data
    ids=lambda path: path.stem,
)
def test_no_module_has_over_600_lines_and_no_class_over_300(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < 300, node.name


def test_no_test_patches_time() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"setattr\([^)]*\btime\b", text), path
