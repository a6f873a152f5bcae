"""The page of charts, in a real browser: what it shows, and that it needs nothing else."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from uv import find_uv_bin

from sandbox import World
from tests import browser
from tests.expected import AMSTERDAM
from tests.figures import Figures, Row
from tests.projects import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if not (ROOT / "report").is_dir():
    pytest.skip("only a checkout has the page", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.find() is None, reason="no Chromium that can be driven is here"),
]
FIRST, NOW = date(2026, 9, 28), datetime(2026, 10, 27, 14, 30, tzinfo=AMSTERDAM)
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
(DBT,) = [each for each in MELTANO["plugins"]["utilities"] if each["name"] == "dbt"]
CHARTS = {
    *("volume", "service", "weekdays", "hours", "missed", "online"),
    *("acceptance", "waits", "agents", "filters", "coverage"),
}
NAMESAKES = ("2001", "2002")
HOSTILE = "</script><script>alert(1)</script>&amp;"
LABELS = "[...document.querySelectorAll('#{} .role-axis-label text')].map(text => text.textContent)"


def figures_of(weeks: tuple[int, ...]) -> dict[str, Any]:
    """Return figures in the form of dbt's."""
    figures: dict[str, Any] = {**Figures(World(rows_per_day=30), FIRST, NOW, weeks).tables()}
    return figures | {"timezone": "Europe/Amsterdam", "target_seconds": 30, "goal": 0.8}


def write(path: Path, figures: dict[str, Any]) -> str:
    """Write the page, and return its URL."""
    source = path.with_suffix(".json")
    source.write_text(json.dumps(figures), encoding="utf-8")
    (library,) = [each for each in DBT["pip_url"].split() if each.startswith("vl-convert-python")]
    words = [find_uv_bin(), "run", "--no-project", "--quiet", "--with", library]
    words += ["python", "-m", "report", str(path), "--figures", str(source)]
    subprocess.run(words, check=True, cwd=ROOT, timeout=300)
    assert path.stat().st_size < 2_000_000
    return path.as_uri()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[browser.Browser]:
    with browser.Browser(str(browser.find()), tmp_path / "profile") as opened:
        yield opened


def texts(page: browser.Browser, selector: str) -> list[str]:
    """Return the texts of elements."""
    found: list[str] = page.value(
        f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText)"
    )
    return found


def choose(page: browser.Browser, name: str, text: str) -> None:
    """Choose from a list as a user does."""
    page.value(
        f"list = document.getElementById('{name}');"
        f"list.selectedIndex = [...list.options].findIndex(each => each.text === '{text}');"
        "list.dispatchEvent(new Event('change'))"
    )
    page.wait_for("document.body.dataset.drawn", "light")


def tiles_of(summary: Row) -> list[str]:
    """Return what the tiles show, as people write it."""
    share = summary["reactive_accepted"] / summary["reactive"]
    took = summary["proactive_accepted"] / summary["proactive"]
    within = summary["within_target"] / summary["responded"]
    busy = summary["busy_seconds"] / summary["online_seconds"]
    return [
        f"{summary['chats']:,}",
        f"{summary['reactive']:,}",
        f"{summary['missed']:,}",
        f"{share:.0%}",
        f"{took:.0%}" if took >= 0.0995 else f"{took:.1%}",
        f"{summary['first_response_p50']:.1f} s",
        f"{within:.0%}",
        f"{busy:.0%}" if busy >= 0.0995 else f"{busy:.1%}",
    ]


def scheme(name: str) -> dict[str, str]:
    """Return the feature of a light or dark screen."""
    return {"name": "prefers-color-scheme", "value": name}


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Figures of two periods, with names that are hard to show."""
    figures = figures_of((1, 2))
    for each in figures["filters"]:
        each["filter_name"] = HOSTILE if each["filter_id"] == "61" else each["filter_name"]
    for each in figures["agents"]:
        each["agent_name"] = "Jan Jansen" if each["agent_id"] in NAMESAKES else each["agent_name"]
    return figures


@pytest.fixture(scope="module")
def url(figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of these figures."""
    return write(tmp_path_factory.mktemp("page") / "report.html", figures)


def show(page: browser.Browser, url: str) -> None:
    """Open a page where a date that is taken for a time would be the day before."""
    page.call("Emulation.setTimezoneOverride", timezoneId="America/Los_Angeles")
    page.call("Emulation.setEmulatedMedia", features=[scheme("light")])
    page.call("Page.navigate", url=url)
    page.wait_for("document.body?.dataset.drawn", "light")


def test_tiles_compare_a_period_with_the_one_before(
    page: browser.Browser, url: str, figures: dict[str, Any]
) -> None:
    show(page, url)
    assert texts(page, "h1") == ["Chats, 13 to 26 Oct 2026"]
    assert "sandbox" in texts(page, "#sandbox")[0]
    until = figures["status"][0]["data_until"][-5:]
    (about,) = texts(page, "#period")
    assert about == (
        f"Compared with 29 Sep to 12 Oct 2026. Data up to 27 Oct 2026, {until} (Europe/Amsterdam). "
        "27 Oct 2026 may not be over and is left out."
    )
    periods = {(each["weeks"], each["part"], each["account"]): each for each in figures["summary"]}
    now, before = (periods[2, part, "*"] for part in ("current", "previous"))
    assert texts(page, ".tile b") == tiles_of(now)
    change = texts(page, ".tile span")[2]
    arrow, word = ("\u25b2", "worse") if now["missed"] > before["missed"] else ("\u25bc", "better")
    assert change.startswith(arrow), change
    assert change.endswith(f"%, {word} ({before['missed']} before)"), change

    account = figures["accounts"][1]
    choose(page, "weeks", "1 week")
    choose(page, "account", account["account_name"])
    assert texts(page, "h1") == [f"Chats of {account['account_name']}, 20 to 26 Oct 2026"]
    assert texts(page, ".tile b") == tiles_of(periods[1, "current", account["account_id"]])
    agents = [
        each
        for each in figures["agents"]
        if (each["weeks"], each["account"]) == (1, account["account_id"])
    ]
    assert len(texts(page, "#people tbody tr")) == len(agents)
    assert page.complaints() == []


def test_every_chart_is_drawn_offline_above_a_table_in_its_order(
    page: browser.Browser, url: str
) -> None:
    show(page, url)
    marks = page.value(
        "Object.fromEntries([...document.querySelectorAll('.chart')].map(chart =>"
        " [chart.id, chart.querySelectorAll('path[role=graphics-symbol]').length]))"
    )
    assert marks.keys() == CHARTS
    assert all(count > 1 for count in marks.values()), marks
    days = texts(page, "#days tbody th")
    assert (len(days), days[0], days[-1]) == (14, "Tue 13 Oct", "Mon 26 Oct")
    assert page.value(LABELS.format("volume"))[0] == "Tue 13"
    for chart, table in (("agents", "people"), ("weekdays", "week")):
        names = texts(page, f"#{table} tbody th")
        labels = page.value(LABELS.format(chart))
        assert labels[-len(names) :] == names
    people = texts(page, "#people tbody th")
    assert {f"Jan Jansen ({each})" for each in NAMESAKES} <= {*people}
    occupancy = [float(each.rstrip("%")) for each in texts(page, "#people tbody td:nth-child(3)")]
    assert occupancy == sorted(occupancy, reverse=True)
    assert HOSTILE in texts(page, "#funnel")[0]
    assert {"Ignored", "Abandoned", "Occupancy", "Missed"} <= {*texts(page, "dt")}
    assert texts(page, "h2")[-1] == "Are the data complete?"
    assert {address for address in page.requests() if not address.startswith("data:")} == {url}
    assert page.complaints() == []


def test_a_table_is_copied_with_its_numbers_as_they_are(
    page: browser.Browser, url: str, figures: dict[str, Any]
) -> None:
    show(page, url)
    page.value("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.value("document.querySelector('#requests button').click()")
    page.wait_for("document.querySelector('#requests button').textContent", "Copied")
    head, total, *others = csv.reader(io.StringIO(page.value("window.copied")))
    (now,) = [
        each
        for each in figures["summary"]
        if (each["weeks"], each["part"], each["account"]) == (2, "current", "*")
    ]
    assert head[:4] == ["Account", "Requests", "Missed", "Requests accepted"]
    assert total[:3] == ["All accounts", str(now["reactive"]), str(now["missed"])]
    assert float(total[3]) == pytest.approx(now["reactive_accepted"] / now["reactive"], abs=1e-4)
    assert [each for each, *_ in others] == [each["account_name"] for each in figures["accounts"]]


def test_the_page_fits_a_phone_and_a_dark_screen(page: browser.Browser, url: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    show(page, url)
    light = page.value(background)
    page.call("Emulation.setEmulatedMedia", features=[scheme("dark")])
    page.wait_for("document.body.dataset.drawn", "dark")
    assert page.value(background) != light
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.call("Emulation.setDeviceMetricsOverride", **phone)
    page.call("Page.reload")
    page.wait_for("document.readyState + document.body?.dataset.drawn", "completedark")
    assert page.value("document.documentElement.scrollWidth") <= 360
    ends = "svg => svg.getBoundingClientRect().right"
    assert max(page.value(f"[...document.querySelectorAll('svg')].map({ends})")) <= 360
    assert page.complaints() == []


def test_the_page_says_what_is_there_if_no_stream_with_days_is_loaded(
    page: browser.Browser, figures: dict[str, Any], tmp_path: Path
) -> None:
    status = dict.fromkeys(figures["status"][0]) | {"made_up": 0}
    streams = [each for each in figures["streams"] if each["stream"] == "accounts"]
    empty: dict[str, list[Row]] = {
        name: [] for name, rows in figures.items() if isinstance(rows, list)
    }
    figures = {**figures, **empty, "status": [status], "streams": streams}
    show(page, write(tmp_path / "report.html", figures))
    assert texts(page, "h1") == ["There are no data with dates"]
    assert page.value("document.getElementById('sandbox').hidden")
    shown = "[...document.querySelectorAll('section')].filter(each => !each.hidden).length"
    assert page.value(shown) == 1
    assert texts(page, "#streams tbody th") == ["accounts"]
    assert page.complaints() == []
