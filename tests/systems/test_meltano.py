"""The whole pipe as users run it: the sandbox, real Meltano, real targets."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml
from uv import find_uv_bin

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tap_cobrowser.days import midnight
from tests.databases import as_record, ask_postgres, latest, rows_in_duckdb, rows_in_postgres
from tests.expected import AMSTERDAM, NOW, STREAMS, TODAY, days_ago, expected, ordered
from tests.projects import ROOT, Project

if TYPE_CHECKING:
    from sandbox.server import Request
    from tests.outputs import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
JOB = "dev:tap-cobrowser-to-target-duckdb"


def _guessed(today: date) -> int:
    """Return by how many days the first requests may be off, which go by this machine's clock.

    Those that are sent after the first answer are not: which ones, is a matter of who is sooner.
    """
    return max((datetime.now(AMSTERDAM).date() - today).days, 0)


def test_meltano_brings_every_row_and_value_into_duckdb_and_the_next_day_upserts(
    project_folder: Path, meltano: Project
) -> None:
    path = project_folder / "output" / "cobrowser.duckdb"
    tomorrow = NOW + timedelta(days=1)
    with Sandbox(World(rows_per_day=60), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(9).isoformat(),
        }
        first = meltano("run", "demo", **environment)
        said = first.stdout + first.stderr
        before = {}
        for stream in TABLES:
            before[stream] = expected(sandbox.world, stream, days_ago(9))
            assert before[stream]
            found = rows_in_duckdb(path, stream)
            assert ordered(found) == ordered(before[stream]), stream
            assert f"{len(found)} rows in cobrowser.cobrowser.{stream}\n" in said
        old = _bookmarks(meltano)
        # what a clone has is not changed by a run
        for name in ("meltano.yml", "pyproject.toml"):
            assert (project_folder / name).read_bytes() == (ROOT / name).read_bytes()

        sandbox.set_clock(tomorrow, frozen=True)
        sandbox.requests.clear()
        meltano("run", "demo", **environment)
        for stream in TABLES:
            after = expected(sandbox.world, stream, days_ago(3), tomorrow.date(), tomorrow)
            found = rows_in_duckdb(path, stream)
            assert ordered(found) == ordered(latest(stream, before[stream], after)), stream
        oldest = max(request.start or 0 for request in sandbox.requests)
        assert 4 <= oldest <= 4 + _guessed(tomorrow.date())
        new = _bookmarks(meltano)
    assert set(old.values()) == {"2026-11-21T23:00:00+00:00"}
    assert set(new.values()) == {"2026-11-22T23:00:00+00:00"}
    assert old.keys() == {name for name, stream in STREAMS.items() if stream.replication_key}
    assert sandbox.api_key not in said


def _bookmarks(meltano: Project) -> dict[str, str]:
    state = json.loads(meltano("state", "get", JOB).stdout)["singer_state"]
    return {
        stream: bookmark["replication_key_value"]
        for stream, bookmark in state["bookmarks"].items()
        if bookmark
    }


def test_meltano_hands_on_settings_of_every_kind(project_folder: Path, meltano: Project) -> None:
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(plain_agent=True),
            "TAP_COBROWSER_START_DATE": days_ago(6).isoformat(),
            "TAP_COBROWSER_END_DATE": days_ago(3).isoformat(),
            "TAP_COBROWSER_WINDOW_DAYS": "1",
            "TAP_COBROWSER_CSV_SEPARATOR": "|",
            "TAP_COBROWSER_MAX_CONCURRENT_REQUESTS": "1",
            "TAP_COBROWSER_REQUEST_TIMEOUT": "20",
            "TAP_COBROWSER_LOOKBACK_DAYS": "0",
        }
        meltano("config", "test", "tap-cobrowser", **environment)
        sandbox.requests.clear()
        meltano("run", "tap-cobrowser", "target-jsonl", **environment)
        asked = [(each.start, each.stop) for each in sandbox.requests if each.command == "emails"]
        # the first asks on the machine's day, which is not the sandbox's
        assert asked[-4:] == [(6, 6), (5, 5), (4, 4), (3, 3)]
        text = (project_folder / "output" / "emails.jsonl").read_text(encoding="utf-8")
        records = [json.loads(line) for line in text.splitlines()]
        assert ordered(records) == ordered(
            expected(sandbox.world, "emails", days_ago(6), days_ago(3))
        )


def test_a_wrong_setting_ends_meltano_with_the_tap_s_own_line(meltano: Project) -> None:
    done = meltano(
        *("run", "tap-cobrowser", "target-jsonl"),
        code=1,
        TAP_COBROWSER_USER="somebody",
        TAP_COBROWSER_API_KEY="a key that is secret",
        TAP_COBROWSER_TIMEZONE="Nowhere",
    )
    said = done.stdout + done.stderr
    assert "Setting 'timezone' is 'Nowhere', which is not a known time zone" in said
    assert "Traceback (most recent call last)" not in said
    assert "a key that is secret" not in said


@pytest.mark.parametrize("way", ["el", "elt"])
def test_the_other_ways_to_run_keep_their_state_in_a_backend_of_the_user_s(
    project_folder: Path, meltano: Project, tmp_path: Path, way: str
) -> None:
    with Sandbox(World(rows_per_day=10), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(3).isoformat(),
            "TAP_COBROWSER__SELECT": '["emails.*"]',
            "MELTANO_STATE_BACKEND_URI": (tmp_path / "states").as_uri(),
        }
        meltano(way, "tap-cobrowser", "target-jsonl", "--state-id=mine", **environment)
        rows = (project_folder / "output" / "emails.jsonl").read_text(encoding="utf-8")
        wanted = expected(sandbox.world, "emails", days_ago(3))
        assert ordered([json.loads(line) for line in rows.splitlines()]) == ordered(wanted)
        state = json.loads(meltano("state", "get", "mine", **environment).stdout)
        bookmark = state["singer_state"]["bookmarks"]["emails"]
        assert bookmark["replication_key_value"] == midnight(days_ago(0), AMSTERDAM).isoformat()
        assert list((tmp_path / "states").rglob("*"))

        # set by hand, as a bare date, and run on from there
        bookmark["replication_key_value"] = days_ago(1).isoformat()
        meltano("state", "set", "--force", "mine", json.dumps(state), **environment)
        sandbox.requests.clear()
        settings = {**environment, "TAP_COBROWSER_LOOKBACK_DAYS": "0"}
        meltano(way, "tap-cobrowser", "target-jsonl", "--state-id=mine", **settings)
        assert max(request.start or 0 for request in sandbox.requests) <= 2 + _guessed(TODAY)


def test_meltano_selects_invokes_adds_a_stream_and_refreshes(meltano: Project) -> None:
    with Sandbox(World(rows_per_day=10), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(6).isoformat(),
        }
        assert "tap-cobrowser" in meltano("invoke", "tap-cobrowser", "--version").stdout
        listed = meltano("select", "tap-cobrowser", "--list", "--all", **environment).stdout
        for stream in TABLES:
            assert f" {stream}." in listed, stream
        assert re.search(r"\[automatic *\] emails\.id\n", listed)
        jobs = meltano("job", "list").stdout + meltano("schedule", "list").stdout
        assert "cobrowser-to-duckdb" in jobs
        assert "@daily" in jobs

        # one stream first, then one more, whose history is read while the first goes on
        first = {**environment, "TAP_COBROWSER__SELECT": '["emails.*"]'}
        both = {**environment, "TAP_COBROWSER__SELECT": '["emails.*", "agentactivity.*"]'}
        meltano("--environment=dev", "run", "tap-cobrowser", "target-jsonl", **first)
        sandbox.requests.clear()
        meltano("run", "tap-cobrowser", "target-jsonl", **both)
        oldest = {
            stream: max(each.start or 0 for each in sandbox.requests if each.command == stream)
            for stream in ("emails", "agentactivity")
        }
        assert oldest["agentactivity"] >= 6
        assert oldest["emails"] <= 4 + _guessed(TODAY)
        sandbox.requests.clear()
        meltano("run", "--full-refresh", "tap-cobrowser", "target-jsonl", **first)
        assert max(each.start or 0 for each in sandbox.requests) >= 6


# A tap that is killed in the middle


def kill_the_tap(project_folder: Path) -> None:
    """Kill the tap that Meltano has started in a project (-9)."""
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(project_folder) in words and "bin/tap-cobrowser" in words.replace("\\", "/"):
            process.kill()


@pytest.mark.parametrize("target", ["target-duckdb", "target-postgres"])
def test_a_killed_tap_is_completed_by_the_next_run(
    project_folder: Path, meltano: Project, request: pytest.FixtureRequest, target: str
) -> None:
    path = project_folder / "output" / "cobrowser.duckdb"
    environment = {"TARGET_DUCKDB_BATCH_SIZE_ROWS": "200"}
    if target == "target-postgres":
        server = request.getfixturevalue("postgres")
        environment = {
            "TARGET_POSTGRES_SQLALCHEMY_URL": server.get_uri(),
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "killed",  # without rows of other tests
        }
    killed_at = "slotsactivity", 11

    def kill(request: Request) -> None:
        if (request.command, request.start) == killed_at and not killed:
            killed.append(request)
            kill_the_tap(project_folder)

    killed: list[Request] = []
    with Sandbox(World(rows_per_day=60), clock=NOW, frozen=True) as sandbox:
        environment |= {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(31).isoformat(),
            "TAP_COBROWSER_MAX_CONCURRENT_REQUESTS": "1",
        }
        sandbox.before_rows = kill
        meltano("run", "tap-cobrowser", target, code=1, **environment)
        assert killed
        sandbox.requests.clear()
        meltano("run", "tap-cobrowser", target, **environment)
        for stream in TABLES:
            rows = expected(sandbox.world, stream, days_ago(31))
            found = (
                rows_in_duckdb(path, stream)
                if target == "target-duckdb"
                else rows_in_postgres(server, stream, "killed")
            )
            assert ordered(found) == ordered(rows), stream
        # what was stored is not read again: the streams before go on from their bookmarks
        asked = [each for each in sandbox.requests if each.command == "conversations"]
        assert max(each.start or 0 for each in asked) < 10


# What targets make of it

POSTGRES_TYPES = {
    "string": {"character varying", "text"},
    "integer": {"bigint"},
    "number": {"numeric", "double precision"},
    "boolean": {"boolean"},
    "date-time": {"timestamp without time zone"},
}


def test_postgresql_gets_every_value_typed_and_the_next_day_upserts_it_by_batches(
    meltano: Project, postgres: Any, tmp_path: Path
) -> None:
    tomorrow = NOW + timedelta(days=1)
    with Sandbox(World(rows_per_day=60), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(9).isoformat(),
            "TARGET_POSTGRES_SQLALCHEMY_URL": postgres.get_uri(),
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "upserted",
        }
        meltano("run", "tap-cobrowser", "target-postgres", **environment)
        before = {stream: expected(sandbox.world, stream, days_ago(9)) for stream in TABLES}
        for stream, rows in before.items():
            assert ordered(rows_in_postgres(postgres, stream, "upserted")) == ordered(rows), stream
        texts = str(before)
        assert "\\n" in texts  # what trips loaders is among what was loaded
        assert any(ord(character) > 0xFFFF for character in texts)
        assert re.search(r"'\d{20,}'", texts)

        sandbox.set_clock(tomorrow, frozen=True)
        meltano(
            *("run", "tap-cobrowser", "target-postgres"),
            TAP_COBROWSER_BATCH_CONFIG_ENCODING_FORMAT="jsonl",
            TAP_COBROWSER_BATCH_CONFIG_ENCODING_COMPRESSION="gzip",
            TAP_COBROWSER_BATCH_CONFIG_STORAGE_ROOT=tmp_path.as_uri(),
            TAP_COBROWSER_EMIT_ACTIVATE_VERSION_MESSAGES="true",
            **environment,
        )
        changed = 0
        for stream, old in before.items():
            new = expected(sandbox.world, stream, days_ago(3), tomorrow.date(), tomorrow)
            rows = latest(stream, old, new)
            assert ordered(rows_in_postgres(postgres, stream, "upserted")) == ordered(rows), stream
            changed += len(set(ordered(old)) - set(ordered(rows)))
        assert changed  # rows that were updated, such as a state that has ended since
        # what a whole table still has is not taken for what an older one had left
        deleted = 'SELECT 1 FROM upserted."agents" WHERE _sdc_deleted_at IS NOT NULL'
        assert not ask_postgres(postgres, deleted)
    columns = ask_postgres(
        postgres,
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'upserted' AND column_name NOT LIKE '\\_sdc%'",
    )
    assert len(columns) == sum(len(columns) for columns in TABLES.values())
    for column in columns:
        definition = STREAMS[column["table_name"]].schema["properties"][column["column_name"]]
        (kind,) = set(definition["type"]) - {"null"}
        assert column["data_type"] in POSTGRES_TYPES[definition.get("format", kind)], column


def test_the_documented_stream_map_renames_to_snake_case(meltano: Project, postgres: Any) -> None:
    page = (ROOT / "docs" / "snake_case.md").read_text(encoding="utf-8")
    maps = yaml.safe_load(page.split("```yaml\nstream_maps:")[1].split("```")[0])
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        meltano(
            *("run", "tap-cobrowser", "target-postgres"),
            **sandbox.environment(),
            TAP_COBROWSER_START_DATE=days_ago(3).isoformat(),
            TAP_COBROWSER_STREAM_MAPS=json.dumps(maps),
            TARGET_POSTGRES_SQLALCHEMY_URL=postgres.get_uri(),
            TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA="snake",
        )
        for stream, names in maps.items():
            renamed = {old: new for new, old in names.items() if old and new[0] != "_"}
            rows = [
                {renamed.get(name, name): value for name, value in row.items()}
                for row in expected(sandbox.world, stream, days_ago(3))
            ]
            assert rows
            assert all(name == name.lower() for name in rows[0])
            properties = STREAMS[stream].schema["properties"]
            types = {renamed.get(name, name): each for name, each in properties.items()}
            found = [
                {name: as_record(row[name], types[name]) for name in types}
                for row in ask_postgres(postgres, f"SELECT * FROM snake.{stream}")
            ]
            assert ordered(found) == ordered(rows), stream


def test_jsonl_files_grow_by_what_is_new_and_what_the_look_back_reads_again(
    project_folder: Path, meltano: Project
) -> None:
    tomorrow = NOW + timedelta(days=1)
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        environment = {
            **sandbox.environment(),
            "TAP_COBROWSER_START_DATE": days_ago(5).isoformat(),
        }
        meltano("run", "tap-cobrowser", "target-jsonl", **environment)
        sandbox.set_clock(tomorrow, frozen=True)
        meltano("run", "tap-cobrowser", "target-jsonl", **environment)
        for stream in TABLES:
            text = (project_folder / "output" / f"{stream}.jsonl").read_text(encoding="utf-8")
            first = expected(sandbox.world, stream, days_ago(5))
            second = expected(sandbox.world, stream, days_ago(3), tomorrow.date(), tomorrow)
            if stream == "cccslotsactivity":  # has no range to ask for: what is older is dropped
                least = midnight(days_ago(3), AMSTERDAM).isoformat()
                second = [row for row in second if row["time_start"] >= least]
            found = [json.loads(line) for line in text.splitlines()]
            assert ordered(found) == ordered([*first, *second]), stream


def test_target_snowflake_makes_a_table_and_a_merge_of_every_stream(
    tmp_path: Path, command: Command
) -> None:
    loaders = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))["plugins"]
    (target,) = [each for each in loaders["loaders"] if each["name"] == "target-snowflake"]
    config = {"user": "somebody", "api_key": "a key that is secret", "ccc_agent": True}
    schemas = command(config, "--test=schema")
    words = [find_uv_bin(), "run", "--no-project", "--quiet", "--with", target["pip_url"]]
    done = subprocess.run(
        [*words, "python", str(Path(__file__).parent / "snowflake_ddl.py")],
        input=schemas.text,
        capture_output=True,
        check=False,
        cwd=tmp_path,
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
