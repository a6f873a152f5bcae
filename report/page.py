"""From figures to one HTML page: texts, tables, charts, and the scripts that draw them."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import vl_convert

from report.charts import CHARTS, WEEKDAYS, labels

Figures = dict[str, Any]
_NOTHING = "\u2013"
_TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


def page(figures: Figures) -> str:
    """Return the page."""
    (period,) = figures["period"]
    specs = {name: chart(figures) for name, chart in CHARTS.items()}
    return _TEMPLATE.substitute(
        first_day=_day(period["first_day"]),
        last_day=_day(period["last_day"]),
        days=_count(period["days"]),
        timezone=escape(figures["timezone"]),
        target=_count(figures["target_seconds"]),
        tiles=_tiles(figures),
        hours=_hours(figures),
        acceptance=_acceptance(figures),
        responses=_responses(figures),
        agents=_agents(figures),
        filters=_filters(figures),
        coverage=_coverage(figures),
        specs=_json(specs),
        figures=_json(figures),
        scripts=vl_convert.javascript_bundle().replace("</script", "<\\/script"),
    )


# Words and numbers


def _count(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.0f}"


def _share(part: float | None, whole: float | None) -> str:
    """Return sum ÷ sum as a percentage."""
    return f"{part / whole:.1%}" if part is not None and whole else _NOTHING


def _seconds(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.1f} s"


def _number(part: float | None, whole: float | None, unit: str = "") -> str:
    return f"{part / whole:,.2f}{unit}" if part is not None and whole else _NOTHING


def _day(value: str | None) -> str:
    return date.fromisoformat(value).strftime("%d %b %Y") if value else _NOTHING


def _json(value: object) -> str:
    """Return JSON that cannot end the script element that contains it."""
    return json.dumps(value).replace("<", "\\u003c")


def _total(rows: list[dict[str, Any]], column: str) -> float:
    return sum(row[column] or 0 for row in rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table; its content is escaped here."""
    head = "".join(f"<th scope=col>{escape(each)}" for each in heads)
    body = "".join(
        f"<tr><th scope=row>{escape(first)}" + "".join(f"<td>{escape(cell)}" for cell in rest)
        for first, *rest in rows
    )
    return f"<div class=scroll><table><thead><tr>{head}<tbody>{body}</table></div>"


# The parts of the page


def _tiles(figures: Figures) -> str:
    accounts, agents = figures["acceptance_by_account_id"], figures["agents"]
    (responses,) = figures["responses"]
    asked, invited = _total(accounts, "reactive"), _total(accounts, "proactive")
    got, took = _total(accounts, "reactive_accepted"), _total(accounts, "proactive_accepted")
    tiles = {
        "chats": _count(got + took),
        "of requests accepted": _share(got, asked),
        "of invitations accepted": _share(took, invited),
        "median first response": _seconds(responses["p50"]),
        f"responded within {_count(figures['target_seconds'])} s": _share(
            responses["within_target"], responses["responded"]
        ),
        "of agents' time online with a chat": _share(
            _total(agents, "busy_seconds"), _total(agents, "online_seconds")
        ),
    }
    return "".join(
        f"<div class=tile><b>{escape(value)}</b> {escape(name)}</div>"
        for name, value in tiles.items()
    )


def _hours(figures: Figures) -> str:
    chats: dict[float, float] = defaultdict(float)
    in_a_day: dict[float, float] = defaultdict(float)
    peak: dict[float, tuple[float, float]] = {}
    for row in figures["hours"]:
        weekday = row["weekday"]
        chats[weekday] += row["chats"]
        in_a_day[weekday] += row["chats"] / row["days"]
        peak[weekday] = max(
            peak.get(weekday, (-1.0, 0.0)), (row["chats"] / row["days"], -row["hour_of_day"])
        )
    rows = [
        [
            WEEKDAYS[int(weekday) - 1],
            _count(chats[weekday]),
            f"{in_a_day[weekday]:,.1f}",
            f"{-peak[weekday][1]:.0f}:00",
        ]
        for weekday in sorted(chats)
    ]
    return _table(["Weekday", "Chats", "Chats per day", "Busiest hour"], rows)


def _acceptance(figures: Figures) -> str:
    rows = [
        [
            row["account_name"] or row["account_id"],
            _count(row["reactive"]),
            _share(row["reactive_accepted"], row["reactive"]),
            _count(row["proactive"]),
            _share(row["proactive_accepted"], row["proactive"]),
        ]
        for row in figures["acceptance_by_account_id"]
    ]
    return _table(["Account", "Requests", "Accepted", "Invitations", "Accepted"], rows)


def _responses(figures: Figures) -> str:
    rows = [
        [
            row["account_name"] or row["account_id"] or "unknown",
            _count(row["responded"]),
            _seconds(row["p50"]),
            _seconds(row["p90"]),
            _share(row["within_target"], row["responded"]),
        ]
        for row in figures["responses_by_account_id"]
    ]
    target = f"Within {_count(figures['target_seconds'])} s"
    return _table(["Account", "Chats", "Median", "90th percentile", target], rows)


def _agents(figures: Figures) -> str:
    rows = [
        [
            name,
            _number(row["online_seconds"], 3600),
            _share(row["busy_seconds"], row["online_seconds"]),
            _number(row["used_slot_seconds"], row["busy_seconds"]),
            _count(row["chats"]),
            _share(row["ignored"], row["chats"]),
            _share(row["abandoned"], row["chats"]),
        ]
        for row, name in zip(figures["agents"], labels(figures["agents"], "agent"), strict=True)
    ]
    heads = ["Agent", "Hours online", "Occupancy", "Concurrency", "Chats", "Ignored", "Abandoned"]
    return _table(heads, rows)


def _filters(figures: Figures) -> str:
    steps = ("matches", "invited", "accepted", "declined", "expired", "ignored", "cancelled")
    rows = [
        [
            name,
            *(_count(row[step]) for step in (*steps, "no_agent")),
            _share(row["accepted"], row["invited"]),
        ]
        for row, name in zip(figures["filters"], labels(figures["filters"], "filter"), strict=True)
    ]
    heads = ["Filter", *(step.capitalize() for step in steps), "No agent", "Acceptance"]
    return _table(heads, rows)


def _coverage(figures: Figures) -> str:
    counts: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in figures["coverage"]:
        counts[row["stream"]].append((row["day"], row["row_count"]))
    rows = []
    for stream, days in counts.items():
        gaps = [day for day, count in days if not count]
        listed = ", ".join(gaps[:5]) + (", …" if len(gaps) > 5 else "")  # noqa: PLR2004 - a few
        total = sum(count for _, count in days)
        rows.append(
            [stream, _count(total), _count(len(days) - len(gaps)), _count(len(gaps)), listed]
        )
    return _table(["Stream", "Rows", "Days with rows", "Days without rows", "Which days"], rows)
