"""`pip install tap-cobrowser` installs everything that the tap needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from tests.expected import STREAMS
from tests.projects import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

if not (ROOT / ".ci").is_dir():
    pytest.skip("only a checkout can be built", allow_module_level=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    words = [find_uv_bin(), "build", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(words, check=True)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a command of an environment that has the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    uv = [find_uv_bin(), "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(folder)], check=True)
    (wheel,) = built.glob("*.whl")
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [*uv, "pip", "install", "--python", str(programs / "python"), str(wheel)], check=True
    )

    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(programs / name), *arguments], check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout

    return run


def test_the_wheel_holds_the_package_and_the_sdist_its_tests_and_the_sandbox(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tap_cobrowser"}
    assert not any("sandbox" in name for name in names)
    assert "tap_cobrowser/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(sdist) as archive:
        top = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {"tap_cobrowser", "sandbox", "tests"} <= top
    assert top <= {
        *(
            "tap_cobrowser",
            "sandbox",
            "tests",
            "tools",
            "docs",
            "meltano.yml",
            "output",
            "pyproject.toml",
        ),
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "PKG-INFO", ".gitignore"),
    }


def test_the_installed_tap_works_without_the_packages_that_only_tests_need(
    installed: Callable[..., str],
) -> None:
    assert re.match(r"tap-cobrowser v\d", installed("tap-cobrowser", "--version"))
    about = json.loads(installed("tap-cobrowser", "--about", "--format=json"))
    assert about["name"] == "tap-cobrowser"
    streams = json.loads(installed("tap-cobrowser", "--discover"))["streams"]
    assert [each["stream"] for each in streams] == [
        name for name in STREAMS if not name.startswith("ccc")
    ]
    rows = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
    names = set(installed("python", "-c", rows).split())
    assert "singer-sdk" in names
    unwanted = {"duckdb", "dlt", "hypothesis", "meltano", "pyarrow", "pytest", "uv"}
    assert not names & unwanted
