"""The project's files agree with each other."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from tap_cobrowser import errors, settings
from tests.expected import STREAMS
from tools import hub, streams

ROOT = Path(__file__).parent.parent.parent
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


def test_temporary_files_are_in_a_folder_that_is_removed_after_the_tests() -> None:
    program = "import tempfile; print(tempfile.gettempdir())"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == tempfile.gettempdir() == os.environ["TESTS_TMPDIR"]


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


def test_troubleshooting_lists_every_type_of_error() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    kinds = {
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TapCobrowserError)
    } - {"TapCobrowserError", "RetriableError"}
    assert set(re.findall(r"`(\w+Error)`", page)) == kinds


def test_the_page_on_checks_lists_every_kind_of_notice() -> None:
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    listed = page.split("\n## Warnings\n")[1].split("\n## ")[0]
    kinds = {
        call.args[0].value
        for path in (ROOT / "tap_cobrowser").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Notice"
        and isinstance(call.args[0], ast.Constant)
    }
    assert set(re.findall(r"^\| `([\w ]+)` \|", listed, re.MULTILINE)) == kinds


def test_meltano_passes_days_as_text_so_that_the_tap_checks_them() -> None:
    kinds = {setting["name"]: setting["kind"] for setting in TAP["settings"]}
    assert kinds["start_date"] == kinds["end_date"] == "string"
    assert "date_iso8601" not in kinds.values()


def test_meltano_s_settings_are_those_that_the_hub_gets() -> None:
    for name, content in hub.shared(hub.about()).items():
        assert TAP[name] == content


def test_the_hub_s_definition_is_what_its_schemas_ask_for() -> None:
    folder = Path(__file__).parent / "hub_schemas"
    schemas = {path.name: json.loads(path.read_text()) for path in folder.rglob("*.json")}

    def find(uri: str) -> Resource[Any]:  # they point to each other by path
        return DRAFT7.create_resource(schemas[uri.rsplit("/", maxsplit=1)[-1]])

    registry: Registry[Any] = Registry(retrieve=find)  # type: ignore[call-arg] # attrs has renamed it
    found = hub.definition(hub.about(), "somebody", "https://example.com/tap-cobrowser")
    wanted = {"$ref": "extractors.schema.json"}
    validator = Draft7Validator(wanted, registry=registry, format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(found)] == []
    assert list(validator.iter_errors({**found, "kind": "number"}))
    assert list(validator.iter_errors({**found, "settings": [{"name": "a", "kind": "number"}]}))
    (key,) = [setting for setting in found["settings"] if setting["name"] == "api_key"]
    assert key["sensitive"] is True
    text = hub.to_yaml(found)
    assert yaml.safe_load(text) == found
    top = [line.split(":")[0] for line in text.splitlines() if re.match(r"\w", line)]
    assert top == sorted(top)


def test_the_reference_of_streams_is_current() -> None:
    assert (ROOT / "docs" / "streams.md").read_text(encoding="utf-8") == streams.reference()


def test_streams_join_on_columns_that_are_there() -> None:
    for stream, column, other, others in streams.joins():
        assert column in STREAMS[stream].schema["properties"]
        assert others in STREAMS[other].schema["properties"]


def test_the_diagram_draws_one_only_where_a_column_is_the_whole_key() -> None:
    reference = streams.reference()
    assert '  conversations }o--o{ emails : "browse_id"' in reference
    assert '  accounts |o--o{ agents : "account_id"' in reference
    for stream, _, other, others in streams.joins():
        end = "|o" if tuple(STREAMS[other].primary_keys) == (others,) else "}o"
        assert f"  {other} {end}--o{{ {stream} :" in reference


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
