"""Every command in the documentation runs as it is written, and every link has its target."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sandbox import Sandbox, World
from tests.databases import latest
from tests.expected import AMSTERDAM, expected, ordered
from tests.keys import shows_key
from tests.projects import PROGRAMS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

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
            if is_run_elsewhere(line) or again or (line in seen and not changed):
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
        (project_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
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


# What is in PostgreSQL after the commands of a page, by first and last day.
LOADED = {
    "README.md": [(START, NOW.date())],
    "docs/backfills.md": [(date(2024, 1, 1), date(2025, 12, 31)), (START, NOW.date())],
    "docs/targets.md": [(START, NOW.date())],
}


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
