"""Every command in the documentation runs as it is written, and every link has its target."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml
from uv import find_uv_bin

from sandbox import Readings, Sandbox, World
from sandbox.export import Export
from tap_cobrowser.days import midnight
from tests.databases import latest
from tests.expected import AMSTERDAM, expected, ordered
from tests.keys import shows_key
from tests.projects import PROGRAMS, ROOT, copy_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.databases import Database
    from tests.projects import Project

if not (ROOT / ".ci").is_dir():
    pytest.skip("only a checkout has these files", allow_module_level=True)

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
}
ELSEWHERE = {
    r"\.ci/run": "it runs these tests",
    r"python3 -m venv .* pytest": "`.ci/run` runs it",
    r"python3 -m venv .* meltano run demo": "test_meltano.py has the run, and `.ci/run` the rest",
    r"python3 -m venv .* meltano run report": "test_models.py has the run",
    r"\.venv/bin/uv run --group dev ": "`.ci/run` runs the same",
    r"\.venv/bin/uv run --group benchmark ": "takes a quarter of an hour",
    r"timeout 3600 ": "takes an hour",
    r"pip install \.": "test_package.py builds and installs the package",
    r"pip install -r examples/dagster/requirements.txt meltano|dagster |meltano install": (
        "test_workers.py runs the example"
    ),
    r"meltano add \S+ --from-ref ": "test_hub.py adds them",
    r"meltano run tap-cobrowser target-(duckdb|jsonl)": "test_meltano.py runs them",
    r".*meltano run tap-cobrowser target-snowflake": "needs an account; test_meltano.py: its SQL",
    r"python -m sandbox --port 8800": "serves until it is stopped; tests/unit has it",
}
# Meltano behind the sandbox is run by the first command of README.md: here it takes long.
SHORTER = {
    r"^(python -m sandbox .*) meltano run \S+ target-duckdb$": r"\1 tap-cobrowser --config ENV"
}
FAILS = "TAP_COBROWSER_MAX_RETRIES=0 python -m sandbox --fault status-503"
# The days are those of the test, whatever `start_date` a page sets.
CHANGES = "export |for |meltano config set (?!tap-cobrowser start_date )"
# The real time, because `python -m sandbox` has no other.
NOW = datetime.now(AMSTERDAM)
START = NOW.date() - timedelta(days=3)
SELECTED = ["accounts", "emails"]
# What is in PostgreSQL after the commands of a page, by first and last day.
HISTORY = date(2023, 12, 1), date(2023, 12, 31)
LOADED = {
    "README.md": [(START, NOW.date())],
    "docs/backfills.md": [HISTORY, (date(2024, 1, 1), date(2025, 12, 31)), (START, NOW.date())],
    "docs/daily.md": [(START, NOW.date())],
    "docs/targets.md": [(START, NOW.date())],
}


def blocks(page: str, language: str = "bash") -> list[str]:
    """Return the blocks of code of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def is_run_elsewhere(line: str) -> bool:
    """Return whether a line is not for this test to run."""
    return any(re.match(pattern, line) for pattern in ELSEWHERE)


def _scripts() -> dict[str, str]:
    """Return what to run of each page, in its order.

    A line that comes again runs once: on a page the last time, after all that changes what it does,
    and not at all if an earlier page has it and this one changes nothing before it.
    """
    found = {}
    seen: set[str] = set()
    for page in PAGES:
        lines = [line for block in blocks(page) for line in block.splitlines()]
        wanted = []
        changed = False
        for at, line in enumerate(lines):
            changed |= bool(re.match(CHANGES, line))
            again = line.startswith(("meltano ", "tap-")) and line in lines[at + 1 :]
            known = line in seen and not changed and page not in LOADED
            if is_run_elsewhere(line) or again or known:
                continue
            # without the values that a reader has to fill in
            if line.startswith("export ") and ("…" in line or "SNOWFLAKE" in line):
                names = re.findall(r"(\w+)=", line)
                assert all(re.match("TAP_COBROWSER_|TARGET_|COBROWSER_", each) for each in names)
                continue
            seen.add(line)
            short = line
            for pattern, shorter in SHORTER.items():
                short = re.sub(pattern, shorter, short)
            wanted.append(f"! {line}" if line.startswith(FAILS) else short)
        if not all(line.startswith("export ") for line in wanted):
            found[page] = "\n".join(wanted)
    return found


SCRIPTS = _scripts()


def test_commands_that_other_tests_run_are_in_the_documentation() -> None:
    lines = [line for page in PAGES for block in blocks(page) for line in block.splitlines()]
    for pattern in (*ELSEWHERE, *SHORTER, FAILS):
        assert any(re.match(pattern, line) for line in lines), pattern


@pytest.mark.slow
@pytest.mark.long  # `.ci/run` runs it, too
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="the documentation's commands are for a Unix shell")
@pytest.mark.parametrize("page", SCRIPTS)
def test_every_command_of_a_page_runs_in_its_order(
    page: str, project_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {}
    if "target-postgres" in SCRIPTS[page]:
        database = request.getfixturevalue("database")
        environment["TARGET_POSTGRES_SQLALCHEMY_URL"] = database.uri
    with Sandbox(World(rows_per_day=1), clock=NOW, frozen=True, window_days=31) as sandbox:
        (block,) = blocks("README.md", "json")  # config.json, with the reader's own values
        config = {**json.loads(block), "user": sandbox.user, "api_key": sandbox.api_key}
        config |= {"api_url": sandbox.url, "start_date": f"{START}"}
        _write_readme_s_files(project_folder, config)
        if "HISTORY_FILES=history" in SCRIPTS[page]:
            world = World(rows_per_day=1, most_days=None)
            export = Export(world, Readings(), NOW, *HISTORY)
            assert list(export.write(project_folder / "history"))
        (tmp_path / ".curlrc").write_text("fail\n", encoding="utf-8")
        environment |= {
            **sandbox.environment(),
            "CURL_HOME": str(tmp_path),
            "NO_COLOR": "1",
            "PATH": f"{_path(tmp_path, project_folder)}{os.pathsep}{os.environ['PATH']}",
            "TAP_COBROWSER_START_DATE": f"{START}",
            "TAP_COBROWSER__SELECT": json.dumps([f"{stream}.*" for stream in SELECTED]),
        }
        own = {":8800/": f"{_port(sandbox)}/", "/tmp/cobrowser": str(tmp_path / "cobrowser")}
        script = SCRIPTS[page]
        for written, here in own.items():
            script = script.replace(written, here)
        _run(script, project_folder, environment)
    if page in LOADED:
        for stream in SELECTED:
            rows = [
                expected(sandbox.world, stream, first, last, NOW) for first, last in LOADED[page]
            ]
            assert ordered(database.rows(stream)) == ordered(latest(stream, *rows)), stream


def _write_readme_s_files(folder: Path, config: dict[str, object]) -> None:
    """Write `config.json`, and what README.md says to write beside it."""
    (script,) = blocks("README.md", "sh")
    (target,) = re.findall(r"`(\{.*do_timestamp_file.*\})`", PAGES["README.md"])
    files = {"config.json": json.dumps(config), "target.json": target, "run.sh": script}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def _port(sandbox: Sandbox) -> str:
    found = re.search(r":\d+(?=/)", sandbox.url)
    assert found
    return found[0]


def _path(folder: Path, project: Path) -> str:
    """Return the folders with the programs on a user's path, including target-jsonl."""
    target = project / ".meltano" / "loaders" / "target-jsonl" / "venv" / "bin" / "target-jsonl"
    own = folder / "programs"
    own.mkdir()
    (own / target.name).symlink_to(target)
    return os.pathsep.join(map(str, (own, PROGRAMS)))


def _run(script: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'echo FAILED: $BASH_COMMAND >&2' ERR\n{script}"],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=300,
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    assert not shows_key(done.stderr)


@pytest.mark.skipif(os.name == "nt", reason="the script is for a Unix shell")
def test_the_script_for_pip_fails_if_a_part_does_and_keeps_the_last_whole_state(
    sandbox: Sandbox, config: dict[str, object], tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "tap-cobrowser").symlink_to(PROGRAMS / "tap-cobrowser")

    def run(target: str, **settings: object) -> int:
        _write_readme_s_files(tmp_path, {**config, **settings})
        (programs / "target-jsonl").write_text(f"#!/bin/sh\n{target}\n", encoding="utf-8")
        (programs / "target-jsonl").chmod(0o755)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "run.sh"],
            check=False,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": path},
        ).returncode

    state = tmp_path / "state.json"
    state.write_text("{}", encoding="utf-8")
    all_states = """sed -n 's/^{"type":"STATE","value":\\(.*\\)}$/\\1/p'"""
    assert run(all_states, api_key="a wrong key") == 1
    assert json.loads(state.read_text(encoding="utf-8")) == {}
    assert run(all_states) == 0
    kept = json.loads(state.read_text(encoding="utf-8"))
    assert kept["bookmarks"]["emails"]["replication_key_value"]
    sandbox.requests.clear()
    assert run("head -c 100; exit 3")
    assert json.loads(state.read_text(encoding="utf-8")) == kept
    assert run("cat > /dev/null; exit 3") == 3
    assert json.loads(state.read_text(encoding="utf-8")) == kept
    oldest = max(request.start or 0 for request in sandbox.requests)
    assert oldest <= 4  # the run continued from the state


@pytest.mark.slow
@pytest.mark.long  # `.ci/run` runs it, too
@pytest.mark.timeout(600)
def test_every_query_runs_in_postgresql(meltano: Project, database: Database) -> None:
    with Sandbox(World(rows_per_day=5), clock=NOW, frozen=True) as sandbox:
        meltano(
            *("run", "tap-cobrowser", "target-postgres"),
            **sandbox.environment(),
            TAP_COBROWSER_START_DATE=f"{START}",
            TAP_COBROWSER_EMIT_ACTIVATE_VERSION_MESSAGES="true",
            TARGET_POSTGRES_SQLALCHEMY_URL=database.uri,
        )
    queries = [
        query
        for page in PAGES
        for block in blocks(page, "sql")
        for query in re.findall(r"[^;]+;", block)
    ]
    assert len(queries) > 10
    for query in queries:
        database.run(query)

    day = START + timedelta(days=1)
    begin, end = (midnight(each, AMSTERDAM) for each in (day, day + timedelta(days=1)))
    database.run(
        'DELETE FROM cobrowser.accountspecshourly WHERE "hourBegin_time" '
        f"BETWEEN '{begin:%F %T}' AND '{end - timedelta(seconds=1):%F %T}';"
    )
    for page in ("docs/daily.md", "docs/backfills.md"):
        (query,) = (each for each in blocks(page, "sql") if "missing_day" in each)
        missing = {"first_missing_day": f"{day}", "last_missing_day": f"{day}"}
        assert database.ask(query.rstrip().rstrip(";")) == [missing]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_daily_run_prints_nothing_unless_it_fails(meltano: Project) -> None:
    (command,) = re.findall(r"cd /srv/cobrowser && \.venv/bin/meltano (.*)", PAGES["docs/daily.md"])
    words = command.replace("target-postgres", "target-jsonl").split()
    with Sandbox(World(rows_per_day=1), clock=NOW, frozen=True) as sandbox:
        environment = {**sandbox.environment(), "TAP_COBROWSER_START_DATE": f"{START}"}
        meltano(*words, **environment)  # which says that there is no state yet
        done = meltano(*words, **environment)
        assert done.stdout + done.stderr == ""
        failed = meltano(*words, code=1, **{**environment, "TAP_COBROWSER_API_KEY": "wrong key"})
    assert "The server returned 401" in failed.stdout + failed.stderr


# The image, and examples in other languages


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="the image has a Unix system")
def test_the_commands_of_the_image_load_rows(tmp_path: Path, database: Database) -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    base, *_ = [what for step, what in steps if step == "FROM"]
    assert base.startswith("python:3.")
    pip, install = [what for step, what in steps if step == "RUN"]
    values = {step: what for step, what in steps if step in {"ENV", "ENTRYPOINT", "CMD"}}
    project = tmp_path / "project"
    project.mkdir()
    copy_project(project)
    variables = [each.partition("=")[::2] for each in values["ENV"].split()]
    environment = {
        **os.environ,
        **{name: value.replace("/project", str(project)) for name, value in variables},
        "PATH": f"{tmp_path}/venv/bin{os.pathsep}{os.environ['PATH']}",
    }
    del environment["UV_NO_CACHE"]  # only for the size of the image
    uv = find_uv_bin()
    packages = [word.strip("'") for word in pip.split() if word.startswith("'")]
    assert pip.startswith("pip install ")
    for command in (
        [uv, "venv", "--quiet", str(tmp_path / "venv")],
        [uv, "pip", "install", "--quiet", "--python", str(tmp_path / "venv"), *packages],
        ["bash", "-euc", install],
    ):
        subprocess.run(command, check=True, cwd=project, env=environment, capture_output=True)
    with Sandbox(World(rows_per_day=1), clock=NOW, frozen=True) as sandbox:
        subprocess.run(
            [*json.loads(values["ENTRYPOINT"]), *json.loads(values["CMD"])],
            check=True,
            cwd=project,
            env={
                **environment,
                **sandbox.environment(),
                "TAP_COBROWSER_START_DATE": f"{START}",
                "TARGET_POSTGRES_SQLALCHEMY_URL": database.uri,
            },
        )
        rows = expected(sandbox.world, "emails", START, NOW.date(), NOW)
    assert ordered(database.rows("emails")) == ordered(rows)
    assert list((project / "state").rglob("state.json"))


def test_examples_in_python_and_yaml_are_valid_and_run_the_daily_command() -> None:
    daily = "meltano --log-level=warning run"
    page = "docs/daily.md"
    for block in blocks(page, "python"):
        compile(block, page, "exec")
        assert daily in block
    (workflow,) = blocks(page, "yaml")
    steps = yaml.safe_load(workflow)["jobs"]["load"]["steps"]
    assert daily in steps[-1]["run"]


# Links


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_its_target(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(\s*([^)\s]+)\s*\)", text):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), link


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)\s#]+)", PAGES["README.md"]))
    assert {page for page in PAGES if page.startswith("docs/")} <= linked
