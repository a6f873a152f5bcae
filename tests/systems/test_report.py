"""The models and the page of charts: built by real warehouses, true to the sandbox's world."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from uv import find_uv_bin

from sandbox import Sandbox, World
from sandbox.world import TABLES
from tests import browser
from tests.expected import AMSTERDAM, STREAMS, WINDOWED, expected
from tests.projects import ROOT, Project
from tools import staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

if not (ROOT / "dbt_project").is_dir():
    pytest.skip("only a checkout has the models", allow_module_level=True)

# Summer time ends in between: the 25th has 25 hours.
FIRST, NOW = date(2026, 10, 24), datetime(2026, 10, 27, 14, 30, tzinfo=AMSTERDAM)
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
(DBT,) = [each for each in MELTANO["plugins"]["utilities"] if each["name"] == "dbt"]
OF_DBT = ("not_null", "unique", "relationships", "accepted_values")
Row = dict[str, Any]


# What the world says


def rows_of(world: World, stream: str, now: datetime = NOW) -> list[Row]:
    """Return a stream's rows from the first day on."""
    return [
        dict(zip(TABLES[stream], row, strict=True))
        for row in world.rows(stream, FIRST, now.date(), now)
    ]


def moment_of(stream: str, row: Row) -> datetime:
    """Return when a row begins, in the account's zone."""
    moment = row[str(STREAMS[stream].replication_key)]
    assert isinstance(moment, datetime)
    return moment.astimezone(AMSTERDAM)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, between two values in proportion."""
    values = sorted(values)
    place = (len(values) - 1) * share
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def figures_of(world: World, now: datetime = NOW) -> dict[str, list[Row]]:
    """Return the figures of the page, worked out from the world alone."""
    rows = {stream: rows_of(world, stream, now) for stream in TABLES}
    names = {row["id"]: row["name"] for row in rows["accounts"]}
    days = [FIRST + timedelta(days=ahead) for ahead in range((now.date() - FIRST).days + 1)]
    chats: dict[tuple[int, int], int] = defaultdict(int)
    for row in rows["conversations"]:
        start = moment_of("conversations", row)
        chats[start.isoweekday(), start.hour] += 1
    begun: dict[tuple[int, int], set[date]] = defaultdict(set)
    for row in rows["hostspecshourly"]:
        start = moment_of("hostspecshourly", row)
        begun[start.isoweekday(), row["hourOfDay"]].add(start.date())
    hours = [
        {
            "weekday": weekday,
            "hour_of_day": hour,
            "chats": chats[weekday, hour],
            "days": len(on_days),
        }
        for (weekday, hour), on_days in begun.items()
    ]
    return {
        "period": [
            {"first_day": str(days[0]), "last_day": str(days[-1]), "days": len(days)},
        ],
        "hours": hours,
        "acceptance_by_day": grouped(
            rows["accountspecshourly"],
            lambda row: {"day": str(moment_of("accountspecshourly", row).date())},
            _asked,
        ),
        "acceptance_by_account_id": grouped(
            rows["accountspecshourly"], lambda row: account(row, names), _asked
        ),
        "responses": grouped(rows["conversations"], lambda _: {}, _waited),
        "responses_by_day": grouped(
            rows["conversations"],
            lambda row: {"day": str(moment_of("conversations", row).date())},
            _waited,
        ),
        "responses_by_account_id": grouped(
            rows["conversations"], lambda row: account(row, names), _waited
        ),
        "agents": agents_of(rows),
        "filters": grouped(
            rows["filterstatshourly"],
            lambda row: {"filter_id": row["id"], "filter_name": row["filtername"]},
            _invited,
        ),
        "coverage": [
            {
                "stream": stream,
                "day": str(day),
                "row_count": sum(moment_of(stream, row).date() == day for row in rows[stream]),
            }
            for stream in WINDOWED
            for day in days
        ],
    }


def account(row: Row, names: dict[str, str]) -> Row:
    """Return the account of a row, by id and name."""
    return {"account_id": row["account_id"], "account_name": names[row["account_id"]]}


def grouped(
    rows: Iterable[Row], key: Callable[[Row], Row], figures: Callable[[list[Row]], Row]
) -> list[Row]:
    """Return the figures of each group of rows."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[json.dumps(key(row))].append(row)
    return [{**json.loads(group), **figures(members)} for group, members in groups.items()]


def _asked(rows: list[Row]) -> Row:
    names = ("reactive", "reactive_accepted", "proactive", "proactive_accepted")
    found = {name: sum(row[f"num_{name}"] for row in rows) for name in names}
    return {"visits": sum(row["num_vists"] for row in rows), **found}


def _waited(rows: list[Row]) -> Row:
    waits = [row["firstResponseTime"] for row in rows]
    return {
        "responded": len(waits),
        "within_target": sum(wait <= 30 for wait in waits),
        "p50": percentile(waits, 0.5),
        "p90": percentile(waits, 0.9),
    }


def _invited(rows: list[Row]) -> Row:
    names = {"match": "matches", "no_availability": "no_agent"}
    ends = ("match", "accepted", "declined", "expired", "ignored", "cancelled", "no_availability")
    found = {names.get(end, end): sum(row[f"num_proactive_{end}"] for row in rows) for end in ends}
    return {"invited": sum(row["num_proactive"] for row in rows), **found}


def agents_of(rows: dict[str, list[Row]]) -> list[Row]:
    """Return the figures of agents: slots that are counted chat by chat, second by second."""
    states, changes = rows["agentactivity"], rows["slotsactivity"]
    moments = [row[name] for row in states for name in ("time_start", "time_end")]
    present = max([*filter(None, moments), *(row["time_start"] for row in changes)])
    found = []
    for agent in rows["agents"]:
        slots: dict[float, int] = defaultdict(int)
        own = [row for row in changes if row["agent_id"] == agent["id"]]
        added = {row["activity_id"][:-1] for row in own if row["action"] == "add"}
        for row in own:
            if row["activity_id"][:-1] in added:  # not of a chat of the evening before
                slots[row["time_start"].timestamp()] += 1 if row["action"] == "add" else -1
        online = [
            (row["time_start"].timestamp(), (row["time_end"] or present).timestamp())
            for row in states
            if row["agent_id"] == agent["id"] and row["state"] == "online"
        ]
        busy = used = now_used = 0
        for begin, end in pairwise([*sorted(slots), present.timestamp()]):
            now_used += slots[begin]
            for since, until in online:
                seconds = int(max(0, min(end, until) - max(begin, since)))
                busy += seconds * (now_used > 0)
                used += seconds * now_used
        sessions = [row for row in rows["agentperformance"] if row["agent_id"] == agent["id"]]
        if online or sessions:
            found.append(
                {
                    "agent_id": agent["id"],
                    "agent_name": f"{agent['firstname']} {agent['lastname']}",
                    "online_seconds": sum(until - since for since, until in online),
                    "busy_seconds": busy,
                    "used_slot_seconds": used,
                    "chats": sum(row["numChats"] for row in sessions),
                    "ignored": sum(row["numIgnored"] for row in sessions),
                    "abandoned": sum(row["numAbandoned"] for row in sessions),
                }
            )
    return found


def same(found: list[Row], wanted: list[Row]) -> None:
    """Assert that two lists have the same rows, in any order; `found` may have more columns."""

    def place(row: Row) -> str:
        return str([_key(name, row[name]) for name in wanted[0] if _key(name, row[name])])

    assert len(found) == len(wanted)
    for one, other in zip(sorted(found, key=place), sorted(wanted, key=place), strict=True):
        for name, value in other.items():
            assert one[name] == (value if isinstance(value, str) else pytest.approx(value)), (
                one,
                name,
            )


def _key(name: str, value: Any) -> str:
    """Return what a value says of the place of its row, if anything."""
    if isinstance(value, str):
        return value
    return f"{value:02.0f}" if name in {"weekday", "hour_of_day"} else ""


# The models


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


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of a run over the few days of these tests."""
    return {**sandbox.environment(), "TAP_COBROWSER_START_DATE": FIRST.isoformat()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_meltano_goes_from_the_api_to_a_page_of_true_figures(
    project_folder: Path, meltano: Project
) -> None:
    with Sandbox(World(rows_per_day=60), clock=NOW, frozen=True) as sandbox:
        done = meltano("run", "report", **environment(sandbox))
    said = done.stdout + done.stderr
    assert re.search(r"PASS=\d+ WARN=0 ERROR=0 SKIP=0", said), said
    text = (project_folder / "output" / "report.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r'<script id="figures" type="application/json">(.*)</script>', text)
    figures, wanted = json.loads(shown), figures_of(sandbox.world)
    assert figures.keys() == {*wanted, "timezone", "target_seconds"}
    for name, rows in wanted.items():
        same(figures[name], rows)
    (waits,) = wanted["responses"]
    accounts = wanted["acceptance_by_account_id"]
    asked, got = (sum(each[n] for each in accounts) for n in ("reactive", "reactive_accepted"))
    for tile in (
        f"<b>{waits['responded']:,}</b> chats",
        f"<b>{got / asked:.1%}</b> of requests accepted",
        f"<b>{waits['p50']:.1f} s</b> median first response",
    ):
        assert tile in text

    with duckdb.connect(str(project_folder / "output" / "cobrowser.duckdb")) as database:
        database.execute("USE cobrowser.cobrowser_report")

        def one(query: str) -> object:
            (value,) = database.execute(query).fetchone() or (None,)
            return value

        assert one("SELECT count(*) FROM hours WHERE day = DATE '2026-10-25'") == 25
        agents = wanted["agents"]
        assert one("SELECT sum(used_slot_seconds) FROM slot_utilisation_hourly") == sum(
            each["used_slot_seconds"] for each in agents
        )
        sessions = {
            (row["agent_id"], row["session_id"]): row["onlineDuration"]
            for row in rows_of(sandbox.world, "agentperformance")
        }
        assert one("SELECT sum(session_online_seconds) FROM agent_daily") == sum(sessions.values())
        described = one(
            "SELECT count(*) FROM duckdb_columns() "
            "WHERE schema_name = 'cobrowser_report' AND comment IS NULL"
        )
        assert described == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_postgresql_builds_the_models_and_the_next_day_adds_to_them(
    meltano: Project, postgres: Any
) -> None:
    (folder,) = re.findall(r"host=(.*)", postgres.get_uri())
    postgres.psql("DROP SCHEMA IF EXISTS cobrowser CASCADE;")  # of other tests, on other days
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True) as sandbox:
        settings = {
            **environment(sandbox),
            # without the streams that only a CCC agent has
            "TAP_COBROWSER_CCC_AGENT": "false",
            "TARGET_POSTGRES_SQLALCHEMY_URL": postgres.get_uri(),
            "TARGET_POSTGRES_HOST": folder,
        }
        run = "--environment=postgres", "run"
        done = meltano(*run, "report-from-postgres", **settings)
        assert re.search(r"WARN=0 ERROR=0 SKIP=0", done.stderr)
        sandbox.set_clock(NOW + timedelta(days=1), frozen=True)
        # without the streams that only a CCC agent has
        meltano(*run, "tap-cobrowser", "target-postgres", **settings)
        meltano(
            *("--environment=postgres", "invoke", "dbt:build", "--select"),
            *("stg_conversations", "conversations"),
            **settings,
        )
        wanted = len(rows_of(sandbox.world, "conversations", NOW + timedelta(days=1)))
    found = postgres.psql("SELECT count(*) FROM cobrowser_report.conversations;")
    assert re.search(rf"^ +{wanted}$", found, re.MULTILINE), (found, wanted)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="fakesnow has no release for it")
def test_the_models_are_written_in_snowflake_s_sql(tmp_path: Path) -> None:
    """No proof that they run in Snowflake: fakesnow has DuckDB behind a translation."""
    world = World(rows_per_day=10)
    content = {
        stream: {
            "properties": STREAMS[stream].schema["properties"],
            "rows": expected(world, stream, FIRST, NOW.date(), NOW),
        }
        for stream in TABLES
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
            *("build", "--threads=1", "--vars={persist_docs: false, ccc_agent: true}"),
            # the tests that dbt brings are in its own SQL
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


# The page


@pytest.mark.slow
@pytest.mark.skipif(browser.find() is None, reason="no Chromium that can be driven is here")
def test_the_page_draws_every_chart_offline_in_light_and_dark_and_on_a_phone(
    tmp_path: Path,
) -> None:
    figures: dict[str, Any] = figures_of(World(rows_per_day=60))
    figures |= {"timezone": "Europe/Amsterdam", "target_seconds": 30}
    figures["filters"][0]["filter_name"] = hostile = "</script><script>alert(1)</script>&amp;"
    agents = figures["agents"]
    agents[0]["agent_name"] = agents[1]["agent_name"] = "Jan Jansen"
    (tmp_path / "figures.json").write_text(json.dumps(figures), encoding="utf-8")
    words = [find_uv_bin(), "run", "--no-project", "--quiet"]
    for name in ("altair~=6.3", "vl-convert-python~=1.9"):
        assert name in DBT["pip_url"]
        words += ["--with", name]
    paths = [str(tmp_path / name) for name in ("report.html", "figures.json")]
    subprocess.run([*words, "python", "-m", "report", *paths], check=True, cwd=ROOT, timeout=300)
    url = (tmp_path / "report.html").as_uri()
    with browser.Browser(str(browser.find()), tmp_path / "profile") as page:
        page.call("Page.navigate", url=url)
        page.wait_for("document.body?.dataset.drawn", "light")
        marks = page.value(
            "Object.fromEntries([...document.querySelectorAll('.chart')].map(chart =>"
            " [chart.id, chart.querySelectorAll('path[role=graphics-symbol]').length]))"
        )
        charts = {"hours", "acceptance", "responses", "agents", "filters", "coverage"}
        assert marks.keys() == charts
        assert all(count > 1 for count in marks.values()), marks
        assert page.value("document.querySelectorAll('table').length") == len(charts)
        assert hostile in page.value("document.querySelector('#filters + .scroll').innerText")

        for agent in agents[:2]:
            name = f"Jan Jansen ({agent['agent_id']})"
            assert name in page.value("document.querySelector('#agents + .scroll').innerText")
            assert name in page.value("document.querySelector('#agents').textContent")

        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.value(colour)
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        page.call("Emulation.setEmulatedMedia", features=features)
        page.wait_for("document.body.dataset.drawn", "dark")
        assert page.value(colour) != light

        phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
        page.call("Emulation.setDeviceMetricsOverride", **phone)
        page.call("Page.reload")
        page.wait_for("document.readyState + document.body?.dataset.drawn", "completedark")
        assert page.value("document.documentElement.scrollWidth") <= 360
        ends = "svg => svg.getBoundingClientRect().right"
        assert max(page.value(f"[...document.querySelectorAll('svg')].map({ends})")) <= 360

        assert {address for address in page.requests() if not address.startswith("data:")} == {url}
        assert page.complaints() == []
