"""One command adds the tap, or a target with tested settings, to any Meltano project."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from uv import find_uv_bin

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tests.databases import rows_in_duckdb
from tests.expected import NOW, days_ago, expected, ordered
from tests.projects import ROOT
from tools import hub

if TYPE_CHECKING:
    from collections.abc import Iterator

if not (ROOT / ".ci").is_dir():
    pytest.skip("only a checkout has these files", allow_module_level=True)

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
TARGETS = {each["name"]: each for each in PROJECT["plugins"]["loaders"]}


def test_the_tap_s_definition_is_current() -> None:
    text = (ROOT / "tap-cobrowser.meltano.yml").read_text(encoding="utf-8")
    assert text == hub.to_yaml(hub.plugin(hub.about()))
    # with a variant, adding it again would not update it
    assert "variant" not in yaml.safe_load(text)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_s_definition_has_the_settings_of_the_project(name: str) -> None:
    text = (ROOT / "targets" / f"{name}.meltano.yml").read_text(encoding="utf-8")
    assert text == hub.to_yaml(hub.target(name))
    defaults = {each["name"]: each.get("value") for each in yaml.safe_load(text)["settings"]}
    for setting, value in TARGETS[name].get("config", {}).items():
        assert defaults[setting] == value


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a web server that has this repository's files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_commands_in_an_empty_project_lead_to_rows_in_duckdb(
    tmp_path: Path, served: str
) -> None:
    uv = [find_uv_bin(), "build", "--wheel", "--quiet", "--out-dir", str(tmp_path / "dist")]
    subprocess.run(
        [*uv, str(ROOT)], check=True, env={**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"}
    )
    project = tmp_path / "project"
    (project / "output").mkdir(parents=True)
    (project / "meltano.yml").write_text(
        "send_anonymous_usage_stats: false\ndefault_environment: dev\nenvironments: [name: dev]\n",
        encoding="utf-8",
    )

    def meltano(*arguments: str, **environment: str) -> dict[str, Any]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "meltano"), *arguments],
            capture_output=True,
            check=False,
            cwd=project,
            encoding="utf-8",
            # instead of PyPI's, where the name in the definition is looked up
            env={**os.environ, **environment, "UV_FIND_LINKS": str(tmp_path / "dist")},
            timeout=500,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = yaml.safe_load((project / "meltano.yml").read_text("utf-8"))
        return found

    for _ in range(2):  # the second time updates
        meltano("add", "tap-cobrowser", "--from-ref", f"{served}/tap-cobrowser.meltano.yml")
    path = str(ROOT / "targets" / "target-duckdb.meltano.yml")
    plugins = meltano("add", "target-duckdb", "--from-ref", path)["plugins"]
    names = {kind: [each["name"] for each in found] for kind, found in plugins.items()}
    assert names == {"extractors": ["tap-cobrowser"], "loaders": ["target-duckdb"]}

    with Sandbox(World(rows_per_day=10), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(3).isoformat(),
        }
        meltano("run", "tap-cobrowser", "target-duckdb", **environment)
        for stream in TABLES:
            found = rows_in_duckdb(project / "output" / "cobrowser.duckdb", stream)
            assert ordered(found) == ordered(expected(sandbox.world, stream, days_ago(3))), stream
