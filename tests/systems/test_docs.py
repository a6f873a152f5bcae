"""Every command in the documentation runs as it is written, and every link has its target."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from uv import find_uv_bin

from sandbox import Sandbox, World
from tests.keys import shows_key
from tests.projects import ROOT

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
    r"python3 -m venv .* meltano run report": "test_report.py has the run",
    r"\.venv/bin/uv run --group dev ": "`.ci/run` runs the same",
    r"\.venv/bin/uv run --group benchmark ": "takes a quarter of an hour",
    r"timeout 3600 ": "takes an hour",
    r"pip install \.": "test_package.py builds and installs the package",
    r"pip install -r examples/dagster/requirements.txt meltano|dagster |meltano install": (
        "test_workers.py runs the example"
    ),
    r"meltano add \S+ --from-ref ": "test_hub.py adds them",
    r".*meltano run tap-cobrowser target-snowflake": "needs an account; test_meltano.py: its SQL",
    r"python -m sandbox --port 8800": "serves until it is stopped; test_sandbox_command_line.py has it",
}
# The days are those of the test, whatever `start_date` a page sets.
CHANGES = "export |for |meltano config set (?!tap-cobrowser start_date )"
FAILS = "TAP_COBROWSER_MAX_RETRIES=0 python -m sandbox --fault status-503"
GIVEN = {"TAP_COBROWSER_USER", "TAP_COBROWSER_API_KEY"}
STREAMS = '["accounts.*", "emails.*"]'


def blocks(page: str, language: str = "bash") -> list[str]:
    """Return the blocks of code of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def is_run_elsewhere(line: str) -> bool:
    """Return whether a line is not for this test to run."""
    return any(re.match(pattern, line) for pattern in ELSEWHERE)


def _scripts() -> dict[str, list[str]]:
    """Return the blocks of each page to run, without the values that a reader has to fill in.

    A line that several blocks have runs once, unless a line above changes what it does, or a line
    below reads the state that it leaves.
    """
    found: dict[str, list[str]] = {page: [] for page in PAGES}
    seen: set[str] = set()
    for page, text in PAGES.items():
        for block in blocks(page):
            lines = []
            changed = False
            for line in block.splitlines():
                if line.startswith("export ") and ("…" in line or "SNOWFLAKE" in line):
                    names = re.findall(r"(\w+)=", line)
                    assert all(
                        re.match("TAP_COBROWSER_|TARGET_|COBROWSER_", each) for each in names
                    )
                    continue
                changed |= bool(re.match(CHANGES, line))
                if not is_run_elsewhere(line) and (
                    changed or line not in seen or "meltano state get" in text
                ):
                    lines.append(line)
                    seen |= set() if changed else {line}
            if lines:
                found[page].append("\n".join(lines))
    return found


SCRIPTS = _scripts()


def test_what_is_run_elsewhere_is_in_the_documentation() -> None:
    lines = [line for page in PAGES for block in blocks(page) for line in block.splitlines()]
    for pattern in ELSEWHERE:
        assert any(re.match(pattern, line) for line in lines), pattern


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="the documentation's commands are for a Unix shell")
@pytest.mark.usefixtures("meltano")  # a state of its own
@pytest.mark.parametrize("page", [page for page in PAGES if SCRIPTS[page]])
def test_every_command_runs_as_documented(
    page: str, project_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    start = f"{datetime.now(timezone.utc).date() - timedelta(days=3)}"
    environment = {}
    if any("target-postgres" in script for script in SCRIPTS[page]):
        server = request.getfixturevalue("postgres")
        environment["TARGET_POSTGRES_SQLALCHEMY_URL"] = server.get_uri()
    with Sandbox(World(rows_per_day=1)) as sandbox:
        (block,) = blocks("README.md", "json")  # config.json, with the reader's own values
        config = {**json.loads(block), "user": sandbox.user, "api_key": sandbox.api_key}
        config |= {"api_url": sandbox.url, "start_date": start}
        (project_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (tmp_path / ".curlrc").write_text("fail\n", encoding="utf-8")
        environment |= {
            **sandbox.environment(),
            "CURL_HOME": str(tmp_path),
            "NO_COLOR": "1",
            "PATH": f"{_programs(tmp_path)}{os.pathsep}{os.environ['PATH']}",
            "TAP_COBROWSER_START_DATE": start,
            "TAP_COBROWSER__SELECT": STREAMS,
        }
        original = (project_folder / "meltano.yml").read_text(encoding="utf-8")
        try:
            for script in SCRIPTS[page]:
                _run(script.replace(":8800/", f"{_port(sandbox)}/"), project_folder, environment)
        finally:
            (project_folder / "meltano.yml").write_text(original, encoding="utf-8")


def _port(sandbox: Sandbox) -> str:
    found = re.search(r":\d+(?=/)", sandbox.url)
    assert found
    return found[0]


def _programs(folder: Path) -> Path:
    """Return a folder with the programs on a user's path, including target-jsonl."""
    programs = folder / "programs"
    programs.mkdir()
    own = Path(sys.executable).parent
    for name in ("meltano", "tap-cobrowser", "tap-cobrowser-doctor"):
        (programs / name).symlink_to(own / name)
    target = programs / "target-jsonl"
    # the dependencies of this program conflict with those of the tap
    target.write_text(f'#!/bin/sh\nexec "{find_uv_bin()}" tool run target-jsonl==0.1.4 "$@"\n')
    target.chmod(0o755)
    return programs


def _run(script: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        check=False,
        cwd=folder,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=300,
    )
    assert (done.returncode == 0) == (not script.startswith(FAILS)), f"{script}\n{done.stderr}"
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
