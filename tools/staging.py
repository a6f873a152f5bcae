"""Writes the dbt project's staging views and the descriptions of their columns from the catalog.

`python -m tools.staging` updates them, and a test checks that they are current.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_cobrowser.streams import STREAMS
from tap_cobrowser.tap import TapCobrowser
from tools.personal import PERSONAL
from tools.streams import joins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.streams import Stream

    from tools.personal import Personal

FOLDER = Path(__file__).parent.parent / "dbt_project" / "models" / "staging"
_MARK = "Made from the catalog: python -m tools.staging"
_NAMES = {
    "num_vists": "num_visits",
    # words of SQL
    "to": "email_to",
    "from": "email_from",
    "timestamp": "sent_at",
}
# Values that the API's page lists
_VALUES = {
    ("conversations", "requestType"): ["ask_proactive", "ask_reactive"],
    ("agentactivity", "state"): ["online", "offline"],
    ("slotsactivity", "action"): ["add", "remove"],
    ("cccslotsactivity", "action"): ["add", "remove"],
}
# What is expected of a stream: a load, and, if it has dates, rows as often as before.
_FRESHNESS = {"warn_after": {"count": 36, "period": "hour"}}
_TAP = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
_STREAMS = {stream.name: _TAP.streams[stream.name] for stream in STREAMS}
_TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
}
_WARN = {"config": {"severity": "warn"}}


def snake_case(name: str) -> str:
    """Return the name that a column has in the models."""
    return _NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def files() -> dict[Path, str]:
    """Return the text of each file, by its path."""
    streams = [_STREAMS[each.name] for each in STREAMS]
    found = {FOLDER / f"stg_cobrowser__{stream.name}.sql": _view(stream) for stream in streams}
    found[FOLDER / "staging.yml"] = _properties(streams)
    return found


def _definitions(stream: Stream) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = stream.schema["properties"]
    return properties


def _is_time(definition: dict[str, Any]) -> bool:
    return definition.get("format") == "date-time"


def _view(stream: Stream) -> str:
    columns = []
    for name, definition in _definitions(stream).items():
        own, value = snake_case(name), f"column('{name}', there)"
        if _is_time(definition):
            columns += [
                f"{{{{ utc({value}) }}}} as {own}",
                f"{{{{ local(utc({value})) }}}} as {own}_local",
            ]
        elif name in stream.primary_keys:
            # an empty text of a key, which some targets store as null
            columns.append(f"coalesce({{{{ {value} }}}}, '') as {own}")
        else:
            (kind,) = set(definition["type"]) - {"null"}
            columns.append(f"cast({{{{ {value} }}}} as {_TYPES[kind]}) as {own}")
    columns.append("{{ utc(column('_sdc_batched_at', there)) }} as loaded_at")
    listed = ",\n    ".join(columns)
    return (
        f"-- {_MARK}\n"
        f"{{%- set table = source('cobrowser', '{stream.name}') %}}\n"
        "{%- set there = columns_of(table) %}\n"
        f"select\n    {listed}\nfrom {{{{ rows_of(table) }}}}\n"
    )


def _properties(streams: list[Stream]) -> str:
    source = {
        "name": "cobrowser",
        "description": "The tables of tap-cobrowser, as a target loaded them. Any may be missing.",
        "database": "{{ var('source_database', none) or target.database }}",
        "schema": "{{ var('source_schema') }}",
        "config": {"freshness": _FRESHNESS},
        "tables": [_table(each) for each in streams],
    }
    content = {"version": 2, "sources": [source], "models": [_model(each) for each in streams]}
    text = yaml.dump(
        content, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=100
    )
    return f"# {_MARK}\n{text}"


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        return True


def _table(stream: Stream) -> dict[str, Any]:
    moment = f", '{stream.replication_key}'" if stream.replication_key else ""
    table: dict[str, Any] = {
        "name": stream.name,
        "description": _text(stream),
        "config": {"loaded_at_query": f"{{{{ last_sign_of(this{moment}) }}}}"},
    }
    columns = [
        {"name": name, "description": _definitions(stream)[name]["description"], **_meta(personal)}
        for name, personal in PERSONAL.get(stream.name, {}).items()
    ]
    return {**table, **({"columns": columns} if columns else {})}


def _meta(personal: Personal | None) -> dict[str, Any]:
    """Return the mark of a personal column."""
    if personal is None:
        return {}
    return {
        "config": {"meta": {"personal": personal.kind, "whom": personal.whom, "why": personal.why}}
    }


def _text(stream: Stream) -> str:
    return " ".join(cleandoc(stream.__doc__ or "").split())


def _model(stream: Stream) -> dict[str, Any]:
    keys = [snake_case(key) for key in stream.primary_keys]
    model: dict[str, Any] = {"name": f"stg_cobrowser__{stream.name}", "description": _text(stream)}
    if len(keys) > 1:
        model["data_tests"] = [{"unique_key": {"arguments": {"columns": keys}}}]
    model["columns"] = [*_columns(stream)]
    return model


def _columns(stream: Stream) -> Iterator[dict[str, Any]]:
    for name, definition in _definitions(stream).items():
        own, text = snake_case(name), definition["description"]
        column: dict[str, Any] = {"name": own, "description": text}
        if own.replace("_", "") != name.replace("_", "").lower():
            column["description"] += f" The API calls it `{name}`."
        if _is_time(definition):
            column["description"] += " In UTC."
        column |= _meta(PERSONAL.get(stream.name, {}).get(name))
        tests = [*_tests(stream, name)]
        yield {**column, **({"data_tests": tests} if tests else {})}
        if _is_time(definition):
            yield {"name": f"{own}_local", "description": f"{text} In the account's time zone."}
    yield {
        "name": "loaded_at",
        "description": "When the target loaded the row, if the target records it.",
    }


def _tests(stream: Stream, name: str) -> Iterator[str | dict[str, Any]]:
    """Yield the tests of a column: errors where the API's page or the load promises it."""
    if name in stream.primary_keys:
        if _is_time(_definitions(stream)[name]):  # an id is a text, which may be empty
            yield "not_null"
        if len(stream.primary_keys) == 1:
            yield "unique"
    if (stream.name, name) in _VALUES:
        yield {"accepted_values": {"arguments": {"values": _VALUES[stream.name, name]}}}
    if name == "hourOfDay":
        yield {"in_range": {"arguments": {"least": 0, "most": 23}}}
    for table, column, other, others in joins():
        # A stream of days has those of the run alone: what it points to may be of a day before.
        if (table, column) == (stream.name, name) and not _STREAMS[other].replication_key:
            arguments = {"to": f"ref('stg_cobrowser__{other}')", "field": snake_case(others)}
            yield {"refers_to": {"arguments": arguments, **_WARN}}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
