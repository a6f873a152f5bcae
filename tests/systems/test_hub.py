"""One command adds the tap, or a target with tested settings, to any Meltano project."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sandbox import Sandbox, World
from tests.databases import rows_in_duckdb
from tests.expected import NOW, days_ago, expected, ordered
from tests.projects import ROOT, run_meltano
from tools import hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if not (ROOT / ".ci").is_dir():
    pytest.skip("only a checkout has these files", allow_module_level=True)

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
(TAP,) = PROJECT["plugins"]["extractors"]
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
def test_two_commands_in_an_empty_project_define_a_tap_and_a_target_that_run(
    tmp_path: Path, served: str, plugins: Path
) -> None:
    project = tmp_path / "project"
    (project / "output").mkdir(parents=True)
    (project / "meltano.yml").write_text(
        "send_anonymous_usage_stats: false\nproject_id: a\ndefault_environment: dev\n"
        "environments: [name: dev]\n",
        encoding="utf-8",
    )
    definition = f"{served}/tap-cobrowser.meltano.yml"
    for _ in range(2):  # the second time updates
        run_meltano(project, "add", "tap-cobrowser", "--from-ref", definition, "--no-install")
    path = str(ROOT / "targets" / "target-duckdb.meltano.yml")
    run_meltano(project, "add", "target-duckdb", "--from-ref", path, "--no-install")
    content = yaml.safe_load((project / "meltano.yml").read_text("utf-8"))["plugins"]
    names = {kind: [each["name"] for each in found] for kind, found in content.items()}
    assert names == {"extractors": ["tap-cobrowser"], "loaders": ["target-duckdb"]}
    # as README.md says; the environments are those of the project, with the same `pip_url`
    text = (project / "meltano.yml").read_text(encoding="utf-8")
    text = text.replace("pip_url: tap-cobrowser\n", f"pip_url: {TAP['pip_url']}\n")
    (project / "meltano.yml").write_text(text, encoding="utf-8")
    for kind in ("extractors", "loaders"):
        (project / ".meltano" / kind).symlink_to(plugins / ".meltano" / kind)

    with Sandbox(World(rows_per_day=10), clock=NOW, frozen=True) as sandbox:
        environment: dict[str, Any] = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(1).isoformat(),
        }
        run_meltano(project, "run", "--no-install", "tap-cobrowser", "target-duckdb", **environment)
        for stream in ("accounts", "emails"):
            found = rows_in_duckdb(project / "output" / "cobrowser.duckdb", stream)
            assert ordered(found) == ordered(expected(sandbox.world, stream, days_ago(1)))
