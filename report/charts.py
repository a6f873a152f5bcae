"""From figures to Altair charts: one function per chart, which returns its Vega-Lite."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import altair as alt

Rows = list[dict[str, Any]]
Spec = dict[str, Any]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OUTCOMES = ("accepted", "declined", "expired", "ignored", "cancelled", "no agent")
_COLOURS = ("#2a9d5c", "#e07b39", "#c9a227", "#8d99ae", "#b5485d", "#6c4f9c")
_BLUE, _ORANGE, _RED = "#3b82c4", "#e07b39", "#d1495b"


def hours(figures: dict[str, Rows]) -> Spec:
    """Return chats in an average hour of the week."""
    rows = [
        {
            "weekday": WEEKDAYS[int(row["weekday"]) - 1],
            "hour": int(row["hour_of_day"]),
            "chats": round(row["chats"] / row["days"], 2),
        }
        for row in figures["hours"]
    ]
    chart = (
        _chart(rows, "Chats in an average hour, by weekday and hour of the day.")
        .mark_rect()
        .encode(
            x=alt.X("hour:O", title="Hour", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("weekday:O", title=None, sort=list(WEEKDAYS)),
            color=alt.Color("chats:Q", title="Chats", scale=alt.Scale(scheme="blues")),
            tooltip=["weekday:O", "hour:O", "chats:Q"],
        )
    )
    return _spec(chart, 210)


def acceptance(figures: dict[str, Rows]) -> Spec:
    """Return the share of requests that were accepted, by day."""
    rows = [
        {
            "day": row["day"],
            "kind": kind,
            "requests": row[kind],
            "share": row[f"{kind}_accepted"] / row[kind],
        }
        for row in figures["acceptance_by_day"]
        for kind in ("reactive", "proactive")
        if row[kind]
    ]
    chart = (
        _chart(rows, "Accepted requests as a share of all, by day and kind.")
        .mark_line(point=True)
        .encode(
            x=_day_axis(),
            y=alt.Y("share:Q", title="Accepted", axis=alt.Axis(format=".0%")),
            color=_series("kind", {"reactive": _BLUE, "proactive": _ORANGE}),
            tooltip=[
                "day:N",
                "kind:N",
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("requests:Q", format=",.0f"),
            ],
        )
    )
    return _spec(chart, 220)


def responses(figures: dict[str, Rows]) -> Spec:
    """Return how long visitors waited for the first response, by day."""
    names = {"p50": "median", "p90": "90th percentile"}
    rows = [
        {"day": row["day"], "of": name, "seconds": round(row[column], 1)}
        for row in figures["responses_by_day"]
        for column, name in names.items()
        if row[column] is not None
    ]
    chart = (
        _chart(rows, "Seconds until the first response, by day: median and 90th percentile.")
        .mark_line(point=True)
        .encode(
            x=_day_axis(),
            y=alt.Y("seconds:Q", title="Seconds"),
            color=_series("of", dict(zip(names.values(), (_BLUE, _ORANGE), strict=True))),
            tooltip=["day:N", "of:N", "seconds:Q"],
        )
    )
    return _spec(chart, 220)


def agents(figures: dict[str, Rows]) -> Spec:
    """Return the share of their time online in which agents had a chat."""
    names = labels(figures["agents"], "agent")
    rows = [
        {"agent": name, "occupancy": row["busy_seconds"] / row["online_seconds"]}
        for row, name in zip(figures["agents"], names, strict=True)
        if row["online_seconds"]
    ]
    chart = (
        _chart(rows, "Time with a chat as a share of the time online, by agent.")
        .mark_bar(color=_BLUE)
        .encode(
            x=alt.X("occupancy:Q", title="Occupancy", axis=alt.Axis(format=".0%")),
            y=alt.Y(
                "agent:N", title=None, sort="-x", axis=alt.Axis(labelLimit=140, labelOverlap=False)
            ),
            tooltip=["agent:N", alt.Tooltip("occupancy:Q", format=".1%")],
        )
    )
    return _spec(chart, max(60, 22 * len({row["agent"] for row in rows})))


def filters(figures: dict[str, Rows]) -> Spec:
    """Return the outcomes of the invitations of each filter."""
    names = labels(figures["filters"], "filter")
    rows = [
        {
            "filter": name,
            "outcome": outcome,
            "order": number,
            "invitations": row[outcome.replace(" ", "_")] or 0,
        }
        for row, name in zip(figures["filters"], names, strict=True)
        for number, outcome in enumerate(OUTCOMES)
    ]
    chart = (
        _chart(rows, "Outcomes of invitations, as shares, by filter.")
        .mark_bar()
        .encode(
            x=alt.X(
                "invitations:Q",
                title="Share of outcomes",
                stack="normalize",
                axis=alt.Axis(format=".0%"),
            ),
            y=alt.Y("filter:N", title=None, axis=alt.Axis(labelLimit=140, labelOverlap=False)),
            color=_series("outcome", dict(zip(OUTCOMES, _COLOURS, strict=True))),
            order="order:Q",
            tooltip=["filter:N", "outcome:N", alt.Tooltip("invitations:Q", format=",.0f")],
        )
    )
    return _spec(chart, max(80, 34 * len({row["filter"] for row in rows})))


def coverage(figures: dict[str, Rows]) -> Spec:
    """Return the rows of each stream by day, compared with its busiest day."""
    most: dict[str, float] = defaultdict(float)
    for row in figures["coverage"]:
        most[row["stream"]] = max(most[row["stream"]], row["row_count"])
    rows = [
        {
            "stream": row["stream"],
            "day": row["day"],
            "rows": row["row_count"],
            "share": row["row_count"] / most[row["stream"]] if row["row_count"] else None,
        }
        for row in figures["coverage"]
    ]
    base = _chart(rows, "Rows by stream and day. Days without rows are red.").encode(
        x=alt.X(
            "yearmonthdate(day):T", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True)
        ),
        y=alt.Y("stream:N", title=None, axis=alt.Axis(labelLimit=130)),
        tooltip=["stream:N", "day:N", alt.Tooltip("rows:Q", format=",.0f")],
    )
    colour = alt.condition(
        "datum.rows === 0",
        alt.value(_RED),
        alt.Color(
            "share:Q",
            title="Share of peak",
            scale=alt.Scale(scheme="greens", domain=[0, 1]),
            legend=alt.Legend(format=".0%"),
        ),
    )
    return _spec(base.mark_rect().encode(color=colour), 24 * max(len(most), 2))


CHARTS = {
    "hours": hours,
    "acceptance": acceptance,
    "responses": responses,
    "agents": agents,
    "filters": filters,
    "coverage": coverage,
}


def labels(rows: Rows, what: str) -> list[str]:
    """Return a name for each row, with its id if the name is missing or not unique."""
    counted = Counter(row[f"{what}_name"] for row in rows)
    return [
        name if name and counted[name] == 1 else f"{name or ''} ({row[f'{what}_id']})".strip()
        for row in rows
        for name in [row[f"{what}_name"]]
    ]


def _chart(rows: Rows, description: str) -> Any:
    return alt.Chart(alt.Data(values=rows), description=description)


def _day_axis() -> Any:
    axis = alt.Axis(format="%d %b", labelOverlap=True)
    return alt.X("yearmonthdate(day):T", title=None, axis=axis)


def _series(name: str, colours: dict[str, str]) -> Any:
    return alt.Color(
        f"{name}:N",
        title=None,
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=alt.Legend(orient="top", columns=3),
    )


def _spec(chart: Any, height: int) -> Spec:
    spec: Spec = chart.properties(width="container", height=height).to_dict()
    return spec
