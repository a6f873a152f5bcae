"""Imports between the folders of the package point one way."""

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
# The programs, which may import everything.
PROGRAMS = {"start.py", "__main__.py", "doctor/cli.py"}
# Each level may import those below it; a module of a folder may import others of the folder.
LEVELS = [
    {"tap", "streams", "client", "cli"},
    {"doctor"},
    {"singer"},
    {"api"},
    {"checks"},
    {"reading"},
    {"models", "settings", "redaction", "errors", "days"},
]
MODULES = [
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).as_posix() not in PROGRAMS | {"__init__.py"}
]
WITHOUT_SINGER = {"api", "checks", "reading"}


def part_of(path: Path) -> str:
    """Return the folder of a module, or its name, if it is in none."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Return what a module imports, for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "tap_cobrowser":
            found |= {f"tap_cobrowser.{each.name}" for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


@pytest.mark.parametrize(
    "level", range(len(LEVELS)), ids=[" ".join(sorted(each)) for each in LEVELS]
)
def test_imports_between_folders_point_down(level: int) -> None:
    below = set().union(*LEVELS[level + 1 :])
    for path in MODULES:
        if part_of(path) not in LEVELS[level]:
            continue
        names = {name.split(".")[1] for name in imported(path) if name.startswith("tap_cobrowser.")}
        same = LEVELS[level] if path.parent == PACKAGE else {part_of(path)}
        assert names <= below | same, path
        if part_of(path) in WITHOUT_SINGER:
            assert not {name for name in imported(path) if name.startswith("singer_sdk")}, path


def test_every_folder_and_module_has_its_level() -> None:
    assert {part_of(path) for path in MODULES} == set().union(*LEVELS)


def test_the_api_client_loads_nothing_of_singer() -> None:
    program = (
        "import sys, tap_cobrowser.api.preflight, tap_cobrowser.api.windows;"
        "sys.exit(any(name.startswith('singer') for name in sys.modules))"
    )
    assert not subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_what_only_older_pythons_have_is_imported_for_them_alone() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            assert not (isinstance(node, ast.ImportFrom) and node.module == "typing_extensions"), (
                path
            )


def test_the_table_of_rules_names_functions_and_tests_that_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("### Where the rules live")[2].partition("##")[0]
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    tests = {path.name for path in ROOT.glob("tests/*/test_*.py")}
    rows = [row.split("|")[2:4] for row in table.splitlines() if row.startswith("| ")][1:]
    assert rows
    for code, test in rows:
        for name in re.findall(r"`([\w.]+)`", code):
            assert re.search(rf"\bdef {name.rpartition('.')[2]}\(", sources), name
        assert set(re.findall(r"`(\w+\.py)`", test)) <= tests, test
