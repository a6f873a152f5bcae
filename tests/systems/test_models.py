"""The dbt models: built in real databases, from any streams, and true to the sandbox's world."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from uv import find_uv_bin

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tests.demo import FIRST, NOW, WORLD, loaded_by_both_runs
from tests.expected import STREAMS, WINDOWED, expected
from tests.figures import Figures, Row, rows_of
from tests.projects import ROOT, Project
from tools import staging
from tools.personal import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.databases import Database
    from tests.demo import Demo

if not (ROOT / "dbt_project").is_dir():
    pytest.skip("only a checkout has the models", allow_module_level=True)

pytestmark = pytest.mark.timeout(1800)  # the long ones, on a slow machine
# Two weeks and a part of a day. Summer time ends in the second: the 25th has 25 hours.
OF_DBT = ("not_null", "unique", "accepted_values")
SINGLE = [[stream] for stream in STREAMS]
WITHOUT_ONE = [[each for each in STREAMS if each != stream] for stream in STREAMS]
# One that stands alone, of a kind that has no hours of its own
SOME = [["agentactivity"]]


def test_the_staging_views_are_current() -> None:
    made = staging.files()
    for path, content in made.items():
        assert path.read_text(encoding="utf-8") == content, path
    assert set(staging.FOLDER.rglob("*.*")) == made.keys()


def test_columns_are_in_snake_case_and_their_names_differ() -> None:
    for stream in STREAMS.values():
        names = [staging.snake_case(name) for name in stream.schema["properties"]]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names
        assert not {"to", "from", "timestamp"} & {*names}


def test_personal_columns_are_marked_in_whatever_is_made_of_them() -> None:
    marked = {
        staging.snake_case(name)
        for stream, columns in PERSONAL.items()
        for name in columns
        if name in STREAMS[stream].schema["properties"] and name != "id"
    }
    path = ROOT / "dbt_project" / "models" / "marts" / "marts.yml"
    for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
        for column in model["columns"]:
            is_personal = column["name"] in {*marked, "agent_name"}
            assert ("personal" in str(column.get("config"))) == is_personal, (model, column)
    for stream, columns in PERSONAL.items():
        assert columns.keys() <= STREAMS[stream].schema["properties"].keys()


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of a run over the days of these tests."""
    return {**sandbox.environment(), "TAP_COBROWSER_START_DATE": FIRST.isoformat()}


def same(found: list[Row], wanted: list[Row]) -> None:
    """Assert that two lists have the same rows, in any order. Nothing and nought are the same."""
    names = [name for name in wanted[0] if _is_key(name, wanted)]

    def place(row: Row) -> str:
        return json.dumps([float(v) if isinstance(v := row[name], int) else v for name in names])

    assert len(found) == len(wanted)
    for one, other in zip(sorted(found, key=place), sorted(wanted, key=place), strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            if isinstance(value, str):
                assert one[name] == value, (one, other)
            else:
                assert (one[name] or 0) == pytest.approx(value or 0, abs=0.001), (name, one, other)


def _is_key(name: str, rows: list[Row]) -> bool:
    return name in {"weeks", "weekday", "hour_of_day"} or isinstance(rows[0][name], str)


# DuckDB


@pytest.mark.slow
def test_meltano_goes_from_the_api_to_a_page_of_true_figures(demo: Demo, tmp_path: Path) -> None:
    assert re.search(r"PASS=\d+ WARN=0 ERROR=0 SKIP=0", demo.said[1]), demo.said[1]
    text = demo.page.read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    (shown,) = re.findall(r'<script id="figures" type="application/json">(.*)</script>', text)
    figures, wanted = json.loads(shown), Figures(WORLD, FIRST, NOW, (1, 4, 12, 52)).tables()
    assert figures.keys() == {*wanted, "timezone", "target_seconds", "goal"}
    # which has no range: the run of the day before has loaded older rows
    (whole,) = [each for each in wanted["streams"] if each["stream"] == "cccslotsactivity"]
    whole["row_count"] = len(loaded_by_both_runs()["cccslotsactivity"])
    for name, rows in wanted.items():
        columns = figures[name]["columns"]
        same([dict(zip(columns, row, strict=True)) for row in figures[name]["rows"]], rows)

    # another name than its schema has, so that `schema.table` is not ambiguous
    path = shutil.copy(demo.file, tmp_path / "loaded.duckdb")
    with duckdb.connect(str(path)) as database:
        database.execute("SET TimeZone = 'UTC'")

        def one(query: str) -> Any:
            return database.execute(query).fetchall()

        # the tiles of the page, from the tap's tables themselves
        summary = [each for each in wanted["summary"] if each["account"] == "*"]
        assert [each["part"] for each in summary] == ["current", "previous"]
        for part, first, last in zip(summary, ("20", "13"), ("26", "19"), strict=True):
            of_days = f"BETWEEN DATE '2026-10-{first}' AND DATE '2026-10-{last}'"

            def day(column: str) -> str:
                return f"CAST(({column}::timestamptz AT TIME ZONE 'Europe/Amsterdam') AS DATE)"

            assert one(
                "SELECT sum(num_reactive), sum(num_reactive) - sum(num_reactive_accepted), "
                "sum(num_proactive), sum(num_reactive_accepted + num_proactive_accepted) "
                f"FROM cobrowser.accountspecshourly WHERE {day('hourbegin_time')} {of_days}"
            ) == [tuple(part[n] for n in ("reactive", "missed", "proactive", "chats"))]
            ((median, within),) = one(
                "SELECT median(firstresponsetime), count(*) FILTER (firstresponsetime <= 30) "
                f"FROM cobrowser.conversations WHERE {day('conversation_start')} {of_days}"
            )
            assert (median, within) == (part["first_response_p50"], part["within_target"])

        assert one(
            "SELECT count(*) FROM cobrowser_report.cobrowser__hours WHERE day = DATE '2026-10-25'"
        ) == [(25,)]
        sessions = {
            (row["agent_id"], row["session_id"]): row["onlineDuration"]
            for row in rows_of(WORLD, "agentperformance", FIRST, NOW)
        }
        assert one(
            "SELECT sum(session_online_seconds) FROM cobrowser_report.cobrowser__agent_daily"
        ) == [(sum(sessions.values()),)]
        undescribed = (
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE schema_name = 'cobrowser_report' AND comment IS NULL"
        )
        assert one(undescribed) == []
        personal = one(
            "SELECT table_name, column_name FROM cobrowser_report.cobrowser__personal_columns"
        )
        for stream, columns in PERSONAL.items():
            assert {(stream, name) for name in columns} <= {*personal}
        assert {
            ("cobrowser__agent_daily", "agent_name"),
            ("stg_cobrowser__emails", "email_to"),
        } <= {*personal}


# Subsets of the streams


def make_tables(path: Path, schema: str, world: World, now: datetime) -> None:
    """Create tables in a DuckDB file, as a target does."""
    kinds = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
    with duckdb.connect(str(path)) as database:
        database.execute(f"CREATE SCHEMA {schema}")
        for name, stream in STREAMS.items():
            types = {}
            for column, definition in stream.schema["properties"].items():
                (kind,) = {*definition["type"]} - {"null"}
                is_time = definition.get("format") == "date-time"
                types[column] = "TIMESTAMPTZ" if is_time else kinds[kind]
            rows = path.with_suffix(".jsonl")
            records = expected(world, name, FIRST, now.date(), now)
            rows.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
            database.execute(
                f"CREATE TABLE {schema}.{name} AS SELECT *, now() AS _sdc_batched_at "
                f"FROM read_json('{rows}', format = 'newline_delimited', columns = {types})"
            )


def own_project(folder: Path, package: dict[str, str], variables: dict[str, Any]) -> dict[str, str]:
    """Create a dbt project as the README of the models says, and return its environment."""
    text = (ROOT / "dbt_project" / "README.md").read_text(encoding="utf-8")
    listed, settings = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    assert listed["packages"][0].keys() == {"git", "subdirectory", "revision"}
    settings["vars"]["cobrowser"] |= variables
    database = {"type": "duckdb", "path": "raw.duckdb", "schema": "main", "threads": 2}
    files = {
        "packages.yml": {"packages": [package]},
        "dbt_project.yml": {
            "name": "contact_centre",
            "profile": "contact_centre",
            "flags": {"send_anonymous_usage_stats": False},
            **settings,
        },
        "profiles.yml": {"contact_centre": {"target": "own", "outputs": {"own": database}}},
    }
    (folder / "models").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    query = "select count(*) as conversations from {{ ref('cobrowser__conversations') }}"
    (folder / "models" / "conversations.sql").write_text(query, encoding="utf-8")
    return {"DBT_PROFILES_DIR": str(folder), "DBT_PROJECT_DIR": str(folder)}


def run_dbt(plugins: Path, folder: Path, database: str, steps: list[Any], **more: str) -> list[Any]:
    """Run steps of SQL and dbt in the environment of dbt, and return their results."""
    bin_folder = "Scripts" if os.name == "nt" else "bin"
    python = plugins / ".meltano" / "utilities" / "dbt" / "venv" / bin_folder / "python"
    done = subprocess.run(
        [str(python), "-W", "ignore", str(Path(__file__).parent / "runs_of_dbt.py"), database],
        input=json.dumps(steps),
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env={**os.environ, "DBT_LOG_PATH": str(folder / "logs"), **more},
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


BUILD, FRESHNESS = ["build", "--full-refresh"], ["source", "freshness"]


def subset_steps(subsets: Iterable[list[str]], schema: str, built: str) -> list[Any]:
    """Return the steps that build with some streams each: the tables of the others are renamed."""
    steps: list[Any] = []
    for subset in subsets:
        others = [each for each in STREAMS if each not in subset]
        table = f"ALTER TABLE {schema}."
        steps += [f"{table}{each} RENAME TO no_{each}" for each in others]
        steps += [
            BUILD,
            FRESHNESS,
            f"SELECT DISTINCT stream FROM {built}.cobrowser__coverage_daily",
        ]
        steps += [f"{table}no_{each} RENAME TO {each}" for each in others]
    return steps


def assert_built(
    steps: list[Any], found: list[Any], subsets: list[list[str]], warnings: tuple[str, ...] = ()
) -> None:
    """Assert that each subset was built and tested whole, without other warnings."""

    def results(wanted: object) -> list[Any]:
        return [each for step, each in zip(steps, found, strict=True) if step == wanted]

    builds = results(BUILD)
    coverages = [
        {name for (name,) in each}
        for step, each in zip(steps, found, strict=True)
        if isinstance(step, str) and "DISTINCT" in step
    ]
    for subset, built, fresh, covered in zip(
        subsets, builds, results(FRESHNESS), coverages, strict=True
    ):
        assert {*built.pop("warn", ())} <= {*warnings}, subset
        assert built.keys() == {"success", "pass"}, (subset, built)
        assert len(built["pass"]) > 100
        # a source that is not there is no error
        assert fresh.keys() <= {"pass", "warn"}, (subset, fresh)
        assert sum(map(len, fresh.values())) == len(STREAMS)
        assert covered == {*subset} & {*WINDOWED}


EACH = [*SINGLE, *WITHOUT_ONE]
of_subsets = pytest.mark.parametrize(
    "subsets",
    [pytest.param(SOME, id="some"), pytest.param(EACH, id="each")],
)


# `.ci/run` runs it with some streams, too.
@pytest.mark.slow
@pytest.mark.long
@of_subsets
def test_one_s_own_project_builds_the_package_from_any_streams(
    tmp_path: Path, plugins: Path, subsets: list[list[str]]
) -> None:
    repository, project = tmp_path / "repository", tmp_path / "project"
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(ROOT / "dbt_project", repository / "dbt_project", ignore=ignored)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "Models"]):
        subprocess.run(["git", *words], check=True, cwd=repository)
    package = {"git": repository.as_uri(), "subdirectory": "dbt_project", "revision": "HEAD"}
    if subsets is EACH:
        package = {"local": "../repository/dbt_project"}
    variables = {"source_schema": "loaded", "timezone": "America/New_York"}
    settings = own_project(project, package, variables)
    world, database = World(rows_per_day=10), project / "raw.duckdb"
    make_tables(database, "loaded", world, NOW)
    tomorrow = NOW + timedelta(days=1)
    make_tables(database, "next_day", world, tomorrow)

    steps = [["deps"], *subset_steps(subsets, "loaded", "main_cobrowser")]
    found = iter(run_dbt(plugins, project, "raw.duckdb", [*steps, *_later_steps()], **settings))
    # the account's days are not those of this time zone
    warnings = ("hours_of_each_day",)
    assert_built(steps, [next(found) for _ in steps], subsets, warnings)

    built, first, added, chats, fresh, silent, stopped, empty = (each for each in found if each)
    assert built.keys() == added.keys() == {"success"}
    assert first == [["2026-10-12 04:00:00"]]  # midnight in New York
    assert chats == [[len(rows_of(world, "conversations", FIRST, tomorrow))]]
    assert fresh.keys() == {"pass"}, fresh
    assert silent["warn"] == ["conversations"]
    assert stopped.keys() == {"warn"}
    assert empty == {"error": ["stg_cobrowser__hosts"]}


def _later_steps() -> Iterator[Any]:
    """Yield steps with results: a next day, and what freshness says as time goes by."""
    chats = ["cobrowser__conversations", "conversations"]
    yield ["run", "--select", *(f"+{each}" for each in chats), "+cobrowser__hours"]
    yield "SELECT min(hour_begin) FROM main_cobrowser.cobrowser__hours"
    yield (
        "INSERT INTO loaded.conversations SELECT * FROM next_day.conversations "
        "WHERE conversation_start > (SELECT max(conversation_start) FROM loaded.conversations) "
        "OR browse_id NOT IN (SELECT browse_id FROM loaded.conversations)"
    )
    yield ["run", "--select", *chats]
    yield "SELECT conversations FROM main.conversations"
    # The last row of each stream is of today, then one of them has stopped, then all runs have.
    for name, stream in STREAMS.items():
        if key := stream.replication_key:
            later = f"{key} + (now() - TIMESTAMPTZ '{NOW}')"
            yield f"UPDATE loaded.{name} SET {key} = {later}"
    yield FRESHNESS
    yield "DELETE FROM loaded.conversations WHERE conversation_start > now() - INTERVAL 4 DAY"
    yield FRESHNESS
    for name in STREAMS:
        yield f"UPDATE loaded.{name} SET _sdc_batched_at = now() - INTERVAL 40 HOUR"
    yield FRESHNESS
    for name in STREAMS:
        yield f"DROP TABLE loaded.{name} CASCADE"
    yield ["run", "--select", "stg_cobrowser__hosts"]


# PostgreSQL


@pytest.fixture
def on_postgres(database: Database) -> dict[str, str]:
    """The settings of a new database."""
    return {"TARGET_POSTGRES_SQLALCHEMY_URL": database.uri}


@pytest.mark.slow
@pytest.mark.long
def test_postgresql_builds_the_models_of_a_plain_agent(
    meltano: Project, on_postgres: dict[str, str]
) -> None:
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        settings = {**environment(sandbox), **on_postgres, "TAP_COBROWSER_CCC_AGENT": "false"}
        done = meltano("--environment=postgres", "run", "report-from-postgres", **settings)
    said = done.stdout + done.stderr
    assert re.search(r"WARN=0 ERROR=0 SKIP=0", said), said
    assert "Stream cccagents is not loaded" in said


@pytest.mark.slow
@pytest.mark.long
def test_postgresql_builds_any_streams_and_the_next_day_adds_to_them(
    meltano: Project, plugins: Path, database: Database, on_postgres: dict[str, str], tmp_path: Path
) -> None:
    folder = str(ROOT / "dbt_project")
    paths = {"DBT_PROJECT_DIR": folder, "DBT_PROFILES_DIR": folder, "DBT_TARGET": "postgres"}
    paths |= {"DBT_TARGET_PATH": str(tmp_path), **on_postgres}
    load = "--environment=postgres", "run", "tap-cobrowser", "target-postgres"
    with Sandbox(World(rows_per_day=20), clock=NOW, frozen=True) as sandbox:
        settings = {**environment(sandbox), **on_postgres}
        meltano(*load, **settings)
        steps = [*subset_steps(EACH, "cobrowser", "cobrowser_report"), BUILD]
        found = run_dbt(plugins, tmp_path, database.uri, steps, **paths)
        assert_built(steps[:-1], found[:-1], EACH)
        tomorrow = NOW + timedelta(days=1)
        sandbox.set_clock(tomorrow, frozen=True)
        meltano(*load, **settings)
        wanted = len(rows_of(sandbox.world, "conversations", FIRST, tomorrow))
    models = "stg_cobrowser__conversations", "cobrowser__conversations"
    steps = [["build", "--select", *models]]
    steps += ["SELECT count(*) FROM cobrowser_report.cobrowser__conversations"]
    found = run_dbt(plugins, tmp_path, database.uri, steps, **paths)
    assert found[1] == [[wanted]]


# Snowflake


# `.ci/run` runs it, too.
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="fakesnow has no release for it")
def test_the_models_are_written_in_snowflake_s_sql(tmp_path: Path) -> None:
    """No proof that they run in Snowflake: fakesnow has DuckDB behind a translation."""
    world, first = World(rows_per_day=5), date(2026, 10, 25)
    content = {
        stream: {
            "properties": STREAMS[stream].schema["properties"],
            "rows": expected(world, stream, first, NOW.date(), NOW),
        }
        for stream in TABLES
        if stream != "emails"  # one that is not loaded
    }
    words = [find_uv_bin(), "run", "--no-project", "--quiet"]
    for name in ("dbt-core~=1.11.16", "dbt-snowflake==1.12.4", "fakesnow==0.12.1"):
        words += ["--with", name]
    names = ("ACCOUNT", "USER", "PASSWORD", "WAREHOUSE", "ROLE")
    done = subprocess.run(
        [
            *words,
            *("python", "-W", "ignore", str(Path(__file__).parent / "snowflake_models.py")),
            # fakesnow takes no comments on the columns of a view
            *("build", "--threads=1", "--vars={persist_docs: false}"),
            # of the generic tests those of some models; those that dbt brings are in its own SQL
            *("--select", "resource_type:model", "test_type:singular", "*cobrowser__agent*"),
            *("--exclude", *(f"test_name:{name}" for name in OF_DBT)),
        ],
        input=json.dumps(content),
        capture_output=True,
        check=False,
        cwd=tmp_path,
        encoding="utf-8",
        env={
            **os.environ,
            **{f"TARGET_SNOWFLAKE_{name}": "anything" for name in names},
            "TARGET_SNOWFLAKE_DATABASE": "RAW",
            "DBT_TARGET": "snowflake",
            "DBT_PROJECT_DIR": str(ROOT / "dbt_project"),
            "DBT_PROFILES_DIR": str(ROOT / "dbt_project"),
            "DBT_TARGET_PATH": str(tmp_path / "target"),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
        },
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"PASS=\d+ WARN=0 ERROR=0 SKIP=0", done.stdout), done.stdout
    for kind in ("unique_key", "in_range", "is_ratio", "at_most", "refers_to"):
        assert f" PASS {kind}_" in done.stdout, done.stdout
