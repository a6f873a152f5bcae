"""What the project's files say of one another holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tap_cobrowser import errors, settings
from tests.conftest import STREAMS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
(TAP,) = MELTANO["plugins"]["extractors"]

if not (ROOT / ".ci").is_dir():
    pytest.skip("only a checkout has these files", allow_module_level=True)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = re.findall(r"```bash\n(.+)\n```", README)
    assert "meltano run demo" in commands[0]
    assert commands[1].endswith("pytest")
    assert f"({commands[1]})" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def _table(heading: str) -> list[list[str]]:
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_readme_s_settings_are_those_of_the_tap() -> None:
    rows = {re.findall(r"`(\w+)`", row[0])[0]: row for row in _table("Settings")}
    assert list(rows) == list(settings.OWN)
    for name, schema in settings.OWN.items():
        default = schema.get("default")
        if default is not None:
            assert rows[name][1] == f"`{str(default).lower() if default is False else default}`"
        assert ("required" in rows[name][0]) == (name in settings.SCHEMA["required"])
        assert ("secret" in rows[name][0]) == bool(schema.get("secret"))


def test_the_readme_s_streams_are_those_of_the_tap() -> None:
    rows = {row[0].strip("`"): row for row in _table("Streams")}
    assert rows.keys() == STREAMS.keys()
    for name, stream in STREAMS.items():
        assert tuple(re.findall(r"`(\w+)`", rows[name][2])) == tuple(stream.primary_keys)
        key = stream.replication_key
        assert rows[name][3] == (f"`{key}`" if key else "none, full table")


def test_the_readme_names_every_kind_of_trouble() -> None:
    section = README.split("\n## Trouble, and what to do\n")[1].split("\n## ")[0]
    kinds = {
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TapCobrowserError)
    } - {"TapCobrowserError", "RetriableError"}
    named = set(re.findall(r"`(\w+Error)`", section))
    assert named == kinds


KINDS = {"string": {"string", "options", "date_iso8601"}, "integer": {"integer"}}
KINDS["boolean"] = {"boolean"}


@pytest.mark.parametrize("name", settings.OWN)
def test_meltano_s_settings_are_those_of_the_tap(name: str) -> None:
    (setting,) = [each for each in TAP["settings"] if each["name"] == name]
    schema: dict[str, Any] = settings.OWN[name]
    assert setting["label"] == schema["title"]
    assert setting["description"] == schema["description"]
    assert setting.get("value") == schema.get("default")
    assert setting.get("sensitive", False) == schema.get("secret", False)
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (kind,) = set(types) - {"null"}
    assert setting["kind"] in KINDS[kind]


def test_meltano_sends_no_statistics_and_holds_no_secret() -> None:
    assert MELTANO["send_anonymous_usage_stats"] is False
    for plugin in [*MELTANO["plugins"]["extractors"], *MELTANO["plugins"]["loaders"]]:
        secret = {each["name"] for each in plugin["settings"] if each.get("sensitive")}
        assert not secret & plugin.get("config", {}).keys()


def test_duckdb_is_the_version_that_the_target_works_with() -> None:
    (target,) = [each for each in MELTANO["plugins"]["loaders"] if each["name"] == "target-duckdb"]
    assert "target-duckdb==0.8.0 duckdb==1.2.2" in target["pip_url"]
    assert target["config"]["add_metadata_columns"] is True
    assert '"duckdb==1.2.2"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
