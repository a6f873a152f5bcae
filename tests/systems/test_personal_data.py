"""The page on personal data names every such column, and its stream maps do what it says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from sandbox import Sandbox, World
from tests.expected import NOW, STREAMS, days_ago, expected
from tests.projects import ROOT, Project
from tools.personal import PERSONAL
from tools.streams import joins

if TYPE_CHECKING:
    from pathlib import Path

if not (ROOT / "docs").is_dir():
    pytest.skip("only a checkout has the documentation", allow_module_level=True)

PAGE = (ROOT / "docs" / "personal_data.md").read_text(encoding="utf-8")
PSEUDONYMS, WITHOUT = (
    yaml.safe_load(block) for block in re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
)
FIRST = days_ago(4)
KEPT_PAGE = "acceptUrl"  # the page itself stays, without its parameters


def test_the_page_and_the_catalog_name_the_same_columns() -> None:
    on_page = {
        (stream, column, kind, whom): why
        for stream, column, kind, whom, why in re.findall(
            r"^\| `(\w+)` \| `(\w+)` \| (\w+) \| (\w+) \| (.*) \|$", PAGE, re.MULTILINE
        )
    }
    assert on_page == {
        (stream, column, each.kind, each.whom): each.why
        for stream, columns in PERSONAL.items()
        for column, each in columns.items()
    }
    marked = {
        (name, column)
        for name, stream in STREAMS.items()
        for column, definition in stream.schema["properties"].items()
        if definition["description"].endswith(" Personal data.")
    }
    assert marked == {(stream, column) for stream, column, *_ in on_page}


def test_the_maps_cover_every_column() -> None:
    columns = {(stream, column) for stream, of_it in PERSONAL.items() for column in of_it}
    mapped = PSEUDONYMS["stream_maps"]
    assert {(stream, column) for stream, of_it in mapped.items() for column in of_it} == columns
    removed = {(name, column) for name, of_it in WITHOUT["stream_maps"].items() for column in of_it}
    assert removed == {
        (stream, column) for stream, column in columns if PERSONAL[stream][column].kind != "links"
    }


def _tables(
    target: str, project_folder: Path, request: pytest.FixtureRequest, schema: str
) -> dict[str, list[dict[str, Any]]]:
    """Return what was loaded, with the names of columns in lower case."""
    found: dict[str, list[dict[str, Any]]] = {}
    for stream in PERSONAL:
        query = f'SELECT * FROM {{}}"{stream}"'
        if target == "target-postgres":
            rows = request.getfixturevalue("database").ask(query.format(f"{schema}."))
        else:
            path = project_folder / "output" / "cobrowser.duckdb"
            with duckdb.connect(str(path), read_only=True) as database:
                result = database.execute(query.format("cobrowser.cobrowser."))
                names = [name for name, *_ in result.description or ()]
                rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        found[stream] = [{name.lower(): value for name, value in row.items()} for row in rows]
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "target",
    # `.ci/run` runs the other, too
    ["target-duckdb", pytest.param("target-postgres", marks=pytest.mark.long)],
)
def test_pseudonyms_join_as_the_ids_did_and_removed_columns_are_gone(
    project_folder: Path, meltano: Project, request: pytest.FixtureRequest, target: str
) -> None:
    with Sandbox(World(rows_per_day=10), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": FIRST.isoformat(),
            "TAP_COBROWSER__SELECT": json.dumps([f"{stream}.*" for stream in PERSONAL]),
            "TAP_COBROWSER_STREAM_MAP_CONFIG": '{"secret": "of a test"}',
        }
        if target == "target-postgres":
            environment["TARGET_POSTGRES_SQLALCHEMY_URL"] = request.getfixturevalue("database").uri
        loaded = {}
        for schema, maps in (("pseudonyms", PSEUDONYMS), ("without", WITHOUT)):
            (project_folder / "output" / "cobrowser.duckdb").unlink(missing_ok=True)
            meltano(
                *("run", "--full-refresh", "tap-cobrowser", target),
                TAP_COBROWSER_STREAM_MAPS=json.dumps(maps["stream_maps"]),
                TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA=schema,
                **environment,
            )
            loaded[schema] = _tables(target, project_folder, request, schema)
        rows = {stream: expected(sandbox.world, stream, FIRST) for stream in PERSONAL}

    values: defaultdict[str, set[str]] = defaultdict(set)
    for stream, columns in PERSONAL.items():
        assert len(loaded["pseudonyms"][stream]) == len(loaded["without"][stream])
        assert len(loaded["without"][stream]) == len(rows[stream]) > 0
        for column, personal in columns.items():
            originals = {row[column] for row in rows[stream]} - {None, ""}
            kept = (row.get(column.lower()) for row in loaded["pseudonyms"][stream])
            found = {str(value) for value in kept if value}
            assert not originals & found or column == KEPT_PAGE
            assert not any(mark in value for value in found for mark in "?#@ ")
            assert bool(found) == (
                bool(originals) and PSEUDONYMS["stream_maps"][stream][column] is not None
            )
            values[f"{stream}.{column}"] = found
            for row in loaded["without"][stream]:
                assert (column.lower() in row) == (personal.kind == "links")
    joined = 0
    for stream, column, other, others in joins():
        if column in PERSONAL.get(stream, {}) and others in PERSONAL.get(other, {}):
            both = {row[column] for row in rows[stream]} & {row[others] for row in rows[other]}
            digests = values[f"{stream}.{column}"] & values[f"{other}.{others}"]
            assert len(digests) == len(both - {None, ""}), (stream, column)
            joined += len(digests)
    assert joined
