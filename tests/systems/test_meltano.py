"""The whole pipe as users run it: the sandbox, real Meltano, real targets."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tap_cobrowser.days import midnight
from tests import demo as the_demo
from tests.databases import latest, rows_in_duckdb
from tests.expected import AMSTERDAM, NOW, STREAMS, days_ago, expected, ordered
from tests.projects import ROOT, Project, run_meltano

if TYPE_CHECKING:
    from sandbox.server import Request
    from tests.databases import Database
    from tests.demo import Demo
    from tests.outputs import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _ahead(today: datetime) -> int:
    """Return by how many days this machine's clock is ahead of the sandbox's.

    The first request goes by the machine's clock.
    """
    return max((datetime.now(AMSTERDAM).date() - today.date()).days, 0)


# The demo


def test_the_demo_and_the_next_day_s_run_bring_every_row_and_value_into_duckdb(demo: Demo) -> None:
    first, both = the_demo.loaded_by_the_first_run(), the_demo.loaded_by_both_runs()
    for stream in TABLES:
        assert first[stream]
        assert f"{len(first[stream])} rows in cobrowser.cobrowser.{stream}\n" in demo.said[0]
        assert ordered(rows_in_duckdb(demo.file, stream)) == ordered(both[stream]), stream


def test_the_next_day_s_run_begins_at_the_look_back(demo: Demo) -> None:
    oldest = 1 + the_demo.LOOK_BACK
    assert oldest <= demo.oldest <= oldest + _ahead(the_demo.NOW)
    said = run_meltano(demo.project, "state", "get", "dev:tap-cobrowser-to-target-duckdb").stdout
    bookmarks = json.loads(said)["singer_state"]["bookmarks"]
    today = midnight(the_demo.NOW.date(), AMSTERDAM).isoformat()
    assert {name: each["replication_key_value"] for name, each in bookmarks.items() if each} == {
        name: today for name, stream in STREAMS.items() if stream.replication_key
    }


def test_meltano_changes_no_file_of_the_project(demo: Demo) -> None:
    for name in ("meltano.yml", "pyproject.toml"):
        assert (demo.project / name).read_bytes() == (ROOT / name).read_bytes()


# Settings and states


def test_meltano_passes_settings_of_every_kind_and_a_state_set_by_hand(
    project_folder: Path, meltano: Project, tmp_path: Path
) -> None:
    """`el`, and its old name `elt`, with a state backend of the user's choice."""
    states = tmp_path / "states"
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(plain_agent=True),
            "MELTANO_STATE_BACKEND_URI": states.as_uri(),
            "TAP_COBROWSER_START_DATE": days_ago(6).isoformat(),
            "TAP_COBROWSER_WINDOW_DAYS": "1",
            "TAP_COBROWSER_CSV_SEPARATOR": "|",
            "TAP_COBROWSER_MAX_CONCURRENT_REQUESTS": "1",
            "TAP_COBROWSER_REQUEST_TIMEOUT": "20",
            "TAP_COBROWSER_LOOKBACK_DAYS": "0",
        }
        words = ("tap-cobrowser", "target-jsonl", "--state-id=mine")
        meltano("el", *words, TAP_COBROWSER_END_DATE=days_ago(3).isoformat(), **environment)
        asked = [(each.start, each.stop) for each in sandbox.requests if each.command == "emails"]
        # the first asks on the machine's day, which is not the sandbox's
        assert asked[-3:] == [(5, 5), (4, 4), (3, 3)]

        (path,) = states.rglob("state.json")
        state = json.loads(path.read_text(encoding="utf-8"))
        bookmark = state["completed"]["singer_state"]["bookmarks"]["emails"]
        assert bookmark["replication_key_value"] == midnight(days_ago(2), AMSTERDAM).isoformat()
        bookmark["replication_key_value"] = days_ago(1).isoformat()
        meltano("state", "set", "--force", "mine", json.dumps(state["completed"]), **environment)
        sandbox.requests.clear()
        meltano("elt", *words, **environment)
        asked = [(each.start, each.stop) for each in sandbox.requests if each.command == "emails"]
        assert max(each[0] or 0 for each in asked) <= 1 + _ahead(NOW)
        assert asked[-2:] == [(1, 1), (0, 0)]
    found = [
        json.loads(line)
        for line in (project_folder / "output" / "emails.jsonl").read_text("utf-8").splitlines()
    ]
    runs = ((6, 3), (1, 0))
    wanted = [
        expected(sandbox.world, "emails", days_ago(first), days_ago(last)) for first, last in runs
    ]
    assert ordered(found) == ordered([*wanted[0], *wanted[1]])


def test_the_documented_stream_map_renames_every_column_to_snake_case(
    command: Command, config: dict[str, Any], sandbox: Sandbox
) -> None:
    page = (ROOT / "docs" / "snake_case.md").read_text(encoding="utf-8")
    maps = yaml.safe_load(page.split("```yaml\nstream_maps:")[1].split("```")[0])
    output = command({**config, "stream_maps": maps})
    assert output.code == 0
    schemas = {message["stream"]: message for message in output.of_type("SCHEMA")}
    for stream, names in maps.items():
        renamed = {old: new for new, old in names.items() if old and new[0] != "_"}
        keys = [renamed.get(name, name) for name in STREAMS[stream].primary_keys]
        assert schemas[stream]["key_properties"] == keys
        properties = STREAMS[stream].schema["properties"]
        types = {renamed.get(name, name): each["type"][0] for name, each in properties.items()}
        assert all(name == name.lower() for name in types)
        made = schemas[stream]["schema"]["properties"]
        assert {name: each["type"][0] for name, each in made.items()} == types, stream
        rows = [
            {renamed.get(name, name): value for name, value in row.items()}
            for row in expected(sandbox.world, stream, days_ago(8))
        ]
        assert rows
        assert ordered(output.records(stream)) == ordered(rows), stream


# What targets make of it

POSTGRES_TYPES = {
    "string": {"character varying", "text"},
    "integer": {"bigint"},
    "number": {"numeric", "double precision"},
    "boolean": {"boolean"},
    "date-time": {"timestamp without time zone"},
}


def kill_the_tap(project_folder: Path) -> None:
    """Kill the tap that Meltano has started in a project (-9)."""
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(project_folder) in words and "bin/tap-cobrowser" in words.replace("\\", "/"):
            process.kill()


def test_postgresql_has_every_value_typed_after_a_killed_run_and_one_on_the_next_day_by_batches(
    project_folder: Path, meltano: Project, database: Database, tmp_path: Path
) -> None:
    killed: list[Request] = []

    def kill(request: Request) -> None:
        if (request.command, request.start) == ("slotsactivity", 5) and not killed:
            killed.append(request)
            kill_the_tap(project_folder)

    tomorrow = NOW + timedelta(days=1)
    with Sandbox(World(rows_per_day=60), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(9).isoformat(),
            "TAP_COBROWSER_MAX_CONCURRENT_REQUESTS": "1",
            "TARGET_POSTGRES_SQLALCHEMY_URL": database.uri,
        }
        sandbox.before_rows = kill
        meltano("run", "tap-cobrowser", "target-postgres", code=1, **environment)
        assert killed
        sandbox.set_clock(tomorrow, frozen=True)
        sandbox.requests.clear()
        meltano(
            *("run", "tap-cobrowser", "target-postgres"),
            TAP_COBROWSER_BATCH_CONFIG_ENCODING_FORMAT="jsonl",
            TAP_COBROWSER_BATCH_CONFIG_ENCODING_COMPRESSION="gzip",
            TAP_COBROWSER_BATCH_CONFIG_STORAGE_ROOT=tmp_path.as_uri(),
            TAP_COBROWSER_EMIT_ACTIVATE_VERSION_MESSAGES="true",
            **environment,
        )
    # what was stored is not read again: the streams before go on from their bookmarks
    asked = [each for each in sandbox.requests if each.command == "conversations"]
    assert max(each.start or 0 for each in asked) <= 4 + _ahead(tomorrow)
    changed = 0
    texts = ""
    for stream in TABLES:
        before = expected(sandbox.world, stream, days_ago(9))
        after = expected(sandbox.world, stream, days_ago(9), tomorrow.date(), tomorrow)
        wanted = latest(stream, before, after)
        assert ordered(database.rows(stream)) == ordered(wanted), stream
        changed += len(set(ordered(before)) - set(ordered(after)))
        texts += str(after)
    assert changed  # rows that were updated, such as a state that has ended since
    assert "\\n" in texts  # what trips loaders is among what was loaded
    assert any(ord(character) > 0xFFFF for character in texts)
    assert re.search(r"'\d{20,}'", texts)
    # what a whole table still has is not taken for what an older one had left
    assert not database.ask("SELECT 1 FROM cobrowser.agents WHERE _sdc_deleted_at IS NOT NULL")
    columns = database.ask(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'cobrowser' AND column_name NOT LIKE '\\_sdc%'",
    )
    assert len(columns) == sum(len(columns) for columns in TABLES.values())
    for column in columns:
        definition = STREAMS[column["table_name"]].schema["properties"][column["column_name"]]
        (kind,) = set(definition["type"]) - {"null"}
        assert column["data_type"] in POSTGRES_TYPES[definition.get("format", kind)], column


def test_target_snowflake_makes_a_table_and_a_merge_of_every_stream(
    plugins: Path, command: Command
) -> None:
    config = {"user": "somebody", "api_key": "a key that is secret", "ccc_agent": True}
    schemas = command(config, "--test=schema")
    programs = "Scripts" if os.name == "nt" else "bin"
    environment = plugins / ".meltano" / "loaders" / "target-snowflake" / "venv"
    done = subprocess.run(
        [environment / programs / "python", Path(__file__).parent / "snowflake_ddl.py"],
        input=schemas.text,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made.keys() == TABLES.keys()
    kinds = {"string": "VARCHAR", "integer": "DECIMAL", "number": "FLOAT", "boolean": "BOOLEAN"}
    for stream, statements in made.items():
        lines = re.findall(
            r"^\t(\S+) ([A-Z_]+)(?: NOT NULL)?, $", statements["create"], re.MULTILINE
        )
        names = [name.strip('"').upper() for name, _ in lines]
        assert names == [name.upper() for name in TABLES[stream]]
        assert len(set(names)) == len(names)
        for (name, kind), definition in zip(
            lines, STREAMS[stream].schema["properties"].values(), strict=True
        ):
            is_moment = definition.get("format") == "date-time"
            (own,) = set(definition["type"]) - {"null"}
            assert kind == ("TIMESTAMP_NTZ" if is_moment else kinds[own]), name
        keys = ", ".join(key.lower() for key in STREAMS[stream].primary_keys)
        assert f"PRIMARY KEY ({keys})" in statements["create"].lower().replace(
            "primary key", "PRIMARY KEY"
        )
        assert "when matched then update" in statements["merge"]
    # words of SQL
    for part in made["emails"].values():
        assert '"TO"' in part
        assert '"FROM"' in part
