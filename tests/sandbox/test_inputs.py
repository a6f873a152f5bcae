"""Settings, catalogs and states, through the whole tap: rejected in time, or every row arrives."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from sandbox import Readings, Sandbox, World
from sandbox.faults import KINDS
from tap_cobrowser.errors import SettingError, StateError, TapCobrowserError
from tap_cobrowser.tap import TapCobrowser
from tests.expected import NOW, days_ago, expected, ordered
from tests.made_up import Waits
from tests.outputs import Command, Output, run, select, warnings_of
from tests.strategies import JSON, examples, mutated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from sandbox.faults import Reply

FIRST = days_ago(2)
CATALOG = {
    "streams": [
        entry
        for entry in select("accounts", "emails")["streams"]
        if entry["stream"] in {"accounts", "emails"}
    ]
}
STATE = {
    "bookmarks": {
        "emails": {
            "replication_key": "timestamp",
            "replication_key_value": days_ago(1).isoformat(),
        },
        "accounts": {},
    }
}


@pytest.fixture(scope="module")
def small() -> Iterator[Sandbox]:
    """A sandbox with few rows, for many runs."""
    with Sandbox(World(rows_per_day=4), clock=NOW, frozen=True) as server:
        yield server


def config_of(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "user": sandbox.user,
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "start_date": FIRST.isoformat(),
        "max_retries": 0,
        "lookback_days": 0,
    }


def outcome(sandbox: Sandbox, config: Any, **inputs: Any) -> Output | None:
    """Run the tap; return None if it rejected its input before any request."""
    sandbox.requests.clear()
    try:
        return run(config, **inputs)
    except TapCobrowserError:
        pass
    assert not sandbox.requests
    return None


def rows(output: Output, stream: str) -> int:
    """Return how many rows a run emitted of a stream: 0 where it did not sync it."""
    return len(output.records(stream))


MANY_RUNS = examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(catalog=mutated(CATALOG))
@MANY_RUNS
def test_whatever_a_catalog_holds_it_is_rejected_or_every_row_of_its_streams_comes(
    small: Sandbox, catalog: Any
) -> None:
    output = outcome(small, config_of(small), catalog=catalog)
    if output is None or catalog is None:
        return
    synced = {message["stream"] for message in output.of_type("SCHEMA")}
    for stream in synced:
        keys = next(m["key_properties"] for m in output.of_type("SCHEMA") if m["stream"] == stream)
        found = output.records(stream)
        assert len(found) == len(expected(small.world, stream, FIRST))
        assert all(record.keys() >= {*keys} for record in found)
        assert all(record[key] is not None for record in found for key in keys if key == "id")
    assert synced >= output.states[-1]["bookmarks"].keys() if output.states else not synced


@given(state=mutated(STATE) | JSON)
@MANY_RUNS
def test_whatever_a_state_holds_it_is_rejected_or_no_row_since_its_bookmark_is_left_out(
    small: Sandbox, state: Any
) -> None:
    output = outcome(small, config_of(small), catalog=CATALOG, state=state)
    if output is None:
        return
    found = {record["id"] for record in output.records("emails")}
    assert found >= {row["id"] for row in expected(small.world, "emails", days_ago(1))}
    assert output.bookmark("emails")


@given(
    config=mutated(
        {
            "lookback_days": 1,
            "window_days": 2,
            "flattening_enabled": True,
            "flattening_max_depth": 1,
            "emit_activate_version_messages": True,
            "stream_map_config": {"a": 1},
            "stream_maps": {
                "emails": {"subject": "subject or '-'", "copy": "to"},
                "accounts": {"name": "name.upper()", "__key_properties__": ["id"]},
                "accounts_copy": {"__source__": "accounts"},
            },
        },
        most=3,
    )
)
@MANY_RUNS
def test_whatever_a_setting_holds_it_is_rejected_or_every_row_comes(
    small: Sandbox, config: Any
) -> None:
    if not isinstance(config, dict):
        return
    try:
        output = run({**config_of(small), **config}, catalog=CATALOG)
    except SettingError:  # that of an expression shows in a row
        return
    for message in output.of_type("SCHEMA"):
        if message["stream"] in {"emails", "accounts"}:
            rows_there = expected(small.world, message["stream"], FIRST)
            assert rows(output, message["stream"]) == len(rows_there)


@given(
    config=st.dictionaries(
        st.sampled_from(["user", "api_key", "ccc_agent", "timezone", "stream_maps", "batch_config"])
        | st.text(max_size=5),
        JSON,
    )
)
@examples(30)
def test_no_setting_stops_discovery(config: dict[str, Any]) -> None:
    tap = TapCobrowser(config=config, validate_config=False, setup_mapper=False)
    assert len(tap.catalog_dict["streams"]) in {11, 15}


def test_a_catalog_that_selects_nothing_is_a_warning(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    run(config, catalog=select())
    assert not sandbox.requests
    (line,) = warnings_of(caplog)
    assert "selects no stream" in line


# The environment


def test_the_sdk_s_settings_mean_the_same_in_the_environment(
    config: dict[str, Any], command: Command
) -> None:
    of_sdk = {
        "stream_maps": {"accounts": {"name": "name.upper()"}},
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "emit_activate_version_messages": True,
    }
    catalog = select("accounts")
    variables = {
        f"TAP_COBROWSER_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in {**config, **of_sdk}.items()
    }
    outputs = [
        command({**config, **of_sdk}, catalog=catalog),
        command(None, "--config", "ENV", catalog=catalog, **variables),
    ]
    assert [output.code for output in outputs] == [0, 0]
    assert outputs[0].records("accounts") == outputs[1].records("accounts")
    kinds = [[message["type"] for message in output.messages] for output in outputs]
    assert kinds[0] == kinds[1]
    assert "ACTIVATE_VERSION" in kinds[0]
    discovered = command(None, "--config", "ENV", "--discover", TAP_COBROWSER_STREAM_MAPS="{")
    assert discovered.code == 0
    rejected = command(
        None, "--config", "ENV", catalog=catalog, **{**variables, "TAP_COBROWSER_STREAM_MAPS": "{"}
    )
    assert rejected.code == 1
    assert "Setting 'stream_maps' is not valid: it is not JSON (line 1" in rejected.last_line


def test_a_setting_that_there_is_not_is_a_warning_with_one_that_is_like_it(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    run({**config, "startdate": "2020-01-01"}, catalog=select("accounts"))
    (line,) = warnings_of(caplog)
    assert "Setting 'startdate' is unknown" in line
    assert "did you mean 'start_date'" in line


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://127.0.0.1:1080", "SOCKS proxy, which needs the package PySocks"),
        ("http://[bad", "cannot be sent"),
        ("::::", "cannot be sent"),
        ("localhost:99999", "cannot be sent"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_tried_again(
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    proxy: str,
    said: str,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    config |= {"api_url": "https://localhost:1/csv.php", "max_retries": 3}
    with pytest.raises(TapCobrowserError, match=said):
        run(config, catalog=select("accounts"))
    assert not warnings_of(caplog)  # no retry would help


@pytest.mark.parametrize("name", ["config", "state", "catalog"])  # and tests/unit/test_settings.py
def test_files_are_json_in_any_encoding_and_say_why_if_they_are_not(
    sandbox: Sandbox, config: dict[str, Any], command: Command, tmp_path: Path, name: str
) -> None:
    contents = {"config": config, "catalog": select("accounts"), "state": STATE}
    text = json.dumps(contents[name])
    path = tmp_path / "passed-in-config.json"
    paths = {**contents, name: None}
    others = {"catalog": paths["catalog"], "state": paths["state"]}
    path.write_text(text, encoding="utf-16")
    output = command(paths["config"], f"--{name}", str(path), **others)
    assert output.code == 0
    assert output.records("accounts")
    sandbox.requests.clear()
    path.write_text(text[:-1], encoding="utf-8")
    output = command(paths["config"], f"--{name}", str(path), **others)
    assert output.code == 1
    assert "it is not JSON (line 1" in output.last_line
    assert not sandbox.requests


def test_a_number_with_a_fraction_is_one_in_a_catalog_and_a_stream_map(
    config: dict[str, Any], command: Command
) -> None:
    catalog = select("accounts")
    catalog["streams"][0]["schema"]["multipleOf"] = 0.5
    config |= {
        "stream_map_config": {"share": 0.5},
        "stream_maps": {"accounts": {"x": "float(config['share'] * 1.5)"}},
    }
    output = command(config, catalog=catalog)
    assert output.code == 0, output.stderr
    assert {record["x"] for record in output.records("accounts")} == {0.75}


def test_empty_variables_of_the_log_count_as_unset(
    config: dict[str, Any], command: Command
) -> None:
    output = command(
        config,
        catalog=select("accounts"),
        LOGLEVEL="",
        TAP_COBROWSER_LOGLEVEL="",
        SINGER_SDK_LOG_CONFIG="",
    )
    assert output.code == 0, output.stderr
    assert "| INFO" in output.stderr


# A bookmark and its rows


def test_a_bookmark_does_not_move_past_rows_that_went_nowhere(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config["batch_config"] = {
        "encoding": {"format": "jsonl"},
        "storage": {"root": tmp_path.as_uri()},
    }
    monkeypatch.setattr("tap_cobrowser.singer.emission.batch_files", lambda *_, **__: iter(()))
    for settings_of_run in (config, {**config, "stream_maps": {"emails": {"subject": "to"}}}):
        outputs: list[Output] = []
        with pytest.raises(RuntimeError, match="rows of stream 'emails', 0 were emitted"):
            run(settings_of_run, catalog=select("emails"), output=outputs)
        assert not outputs[0].states
    monkeypatch.setattr("tap_cobrowser.singer.emission.record_lines", lambda *_, **__: iter(()))
    del config["batch_config"]
    with pytest.raises(RuntimeError, match="0 were emitted"):
        run(config, catalog=select("emails"))


@pytest.mark.parametrize("mode", ["RECORD", "BATCH"])
def test_rows_that_a_stream_map_leaves_out_let_the_bookmark_move(
    config: dict[str, Any], tmp_path: Path, mode: str
) -> None:
    if mode == "BATCH":
        config["batch_config"] = {
            "encoding": {"format": "parquet"},
            "storage": {"root": tmp_path.as_uri()},
        }
    moved = run(config, catalog=select("emails")).bookmark("emails")
    for stream_map in ({"__filter__": "1 > 2"}, None):
        output = run({**config, "stream_maps": {"emails": stream_map}}, catalog=select("emails"))
        assert not output.of_type(mode)
        assert output.bookmark("emails") == moved


@pytest.mark.parametrize(
    "stream_map",
    [
        {"x": "1 / 0"},
        {"x": "subject + 1"},
        {"x": "nothing"},
        {"x": "fake.name()"},
        {"x": "'\\ud800'"},
        {"__filter__": "to < 5"},
    ],
)
def test_an_expression_that_fails_on_a_row_ends_the_run_with_the_setting_s_name(
    config: dict[str, Any], stream_map: dict[str, str]
) -> None:
    outputs: list[Output] = []
    with pytest.raises(
        TapCobrowserError, match=r"^Setting 'stream_maps': the map of 'emails' failed: "
    ):
        run(
            {**config, "stream_maps": {"emails": stream_map}},
            catalog=select("emails"),
            output=outputs,
        )
    assert not outputs[0].states


@pytest.mark.parametrize(
    "stream_map",
    [
        *({"x": "("}, {"x": ""}, {"id": None}, {"__filter__": "="}),
        *({"__key_properties__": ["nothing"]}, {"__source__": "emails"}),
        *({"__alias__": alias} for alias in ("5", "''", "[1]", "1/0", "accounts")),
    ],
)
def test_a_stream_map_that_cannot_be_is_rejected_before_any_request(
    sandbox: Sandbox, config: dict[str, Any], stream_map: dict[str, Any]
) -> None:
    with pytest.raises(SettingError, match=r"^Setting 'stream_maps' cannot be used: "):
        run({**config, "stream_maps": {"emails": stream_map}}, catalog=select("emails", "accounts"))
    assert not sandbox.requests


@pytest.mark.parametrize(
    "stream_maps",
    [
        {"*": {"__alias__": "all"}},
        {"accounts": {"__source__": "emails"}},
        {"all": {"__source__": "emails"}, "accounts": {"__alias__": "all"}},
        {"all": {"__source__": "emails"}, "emails": {"__alias__": "all"}},
    ],
)
def test_no_two_streams_get_one_name(
    sandbox: Sandbox, config: dict[str, Any], stream_maps: dict[str, Any]
) -> None:
    with pytest.raises(SettingError, match="would be used twice"):
        run({**config, "stream_maps": stream_maps}, catalog=select("emails", "accounts"))
    assert not sandbox.requests
    alone = {**stream_maps, "emails": None}
    if "all" in stream_maps:
        del alone["all"]
    output = run({**config, "stream_maps": alone}, catalog=select("accounts"))
    assert len({message["stream"] for message in output.of_type("RECORD")}) == 1


def test_a_schema_without_a_key_says_so(config: dict[str, Any]) -> None:
    config["stream_maps"] = {"accounts": {"__key_properties__": None}}
    (schema,) = run(config, catalog=select("accounts")).of_type("SCHEMA")
    assert schema["key_properties"] == []


def _without_subjects(reply: Reply, _: str) -> None:
    rows = list(csv.reader(io.StringIO(reply.body.decode()), delimiter=";"))
    for row in rows[1:]:
        row[rows[0].index("subject")] = ""
    text = io.StringIO()
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    reply.body = text.getvalue().encode()


@pytest.mark.parametrize(
    ("stream_map", "column", "value"),
    [
        ({}, "subject", None),
        ({"__key_properties__": ["id", "subject"]}, "subject", ""),
        ({"about": "subject", "__key_properties__": ["about"]}, "about", ""),
    ],
)
def test_an_empty_cell_of_a_key_column_stays_an_empty_text(
    sandbox: Sandbox,
    config: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    stream_map: dict[str, Any],
    column: str,
    value: str | None,
) -> None:
    monkeypatch.setitem(KINDS, "no-subjects", _without_subjects)
    sandbox.fail("no-subjects", "emails")
    config["stream_maps"] = {"emails": stream_map}
    found = run(config, catalog=select("emails")).records("emails")
    assert {record[column] for record in found} == {value}


def test_a_map_of_a_stream_that_is_not_selected_is_ignored(config: dict[str, Any]) -> None:
    maps = {"*": {"note": "'new'"}, "agentperformance": {"agent_id": "agent_id.upper()"}}
    output = run({**config, "stream_maps": maps}, catalog=select("accounts"))
    assert {record["note"] for record in output.records("accounts")} == {"new"}


def test_a_shortened_key_is_rejected(sandbox: Sandbox, config: dict[str, Any]) -> None:
    config |= {"flattening_enabled": True, "flattening_max_depth": 1}
    config |= {"flattening_max_key_length": 5}
    config["stream_maps"] = {"hosts": {"__key_properties__": ["account_id"]}}
    with pytest.raises(SettingError, match="lack its key column 'account_id'"):
        run(config, catalog=select("hosts"))
    assert not sandbox.requests


# States of other origin


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"singer_state": state},
        lambda state: {"completed": {"singer_state": state}, "partial": {}},
        lambda state: {"completed": {}, "partial": {"singer_state": state}},
        lambda state: {"type": "STATE", "value": state},
    ],
)
def test_a_state_is_continued_from_in_each_form_that_singer_and_meltano_write(
    sandbox: Sandbox, config: dict[str, Any], wrap: Any
) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": days_ago(2).isoformat()}}}
    config["lookback_days"] = 0
    output = run(config, catalog=select("emails"), state=wrap(state))
    rows_there = expected(sandbox.world, "emails", days_ago(2))
    assert ordered(output.records("emails")) == ordered(rows_there)


@pytest.mark.parametrize(
    "bookmark",
    [
        {"partitions": [{"context": {}, "replication_key_value": "2026-11-20"}]},
        {"replication_key_value": "2026-11-20", "partitions": [{}]},
        {"progress_markers": {"replication_key_value": "2026-11-20"}},
        {"starting_replication_value": "2026-11-20"},
        {"replication_key_value": "2026-11-20", "lookback": "2026-11-19"},
        {"replication_key_value": "2026-11-20", "lookback_from": ""},
        {"replication_key_value": "9999-12-31"},
        {"replication_key_value": "9999-12-31T23:59:59-12:00"},
        {"replication_key_value": "0001-01-01"},
        {"replication_key_value": "0001-01-01T00:00:00+14:00"},
        {"replication_key_value": ["2026-11-20"]},
        {"replication_key_value": False},
    ],
)
def test_a_bookmark_that_is_not_understood_is_rejected(
    sandbox: Sandbox, config: dict[str, Any], bookmark: dict[str, Any]
) -> None:
    with pytest.raises(StateError, match=r"^State of stream 'emails': "):
        run(config, catalog=select("emails"), state={"bookmarks": {"emails": bookmark}})
    assert not sandbox.requests


def test_a_bookmark_of_a_stream_that_is_not_synced_is_passed_on_as_it_is(
    config: dict[str, Any],
) -> None:
    strange = {"partitions": None, "progress_markers": 5, "replication_key_value": "later"}
    bookmarks = {"conversations": strange, "cccslotsactivity": {"replication_key_value": "2026"}}
    output = run(
        {**config, "ccc_agent": False}, catalog=select("accounts"), state={"bookmarks": bookmarks}
    )
    assert output.states[-1]["bookmarks"] == {**bookmarks, "accounts": {}}


# ACTIVATE_VERSION


def full_table(*streams: str) -> dict[str, Any]:
    """Return a catalog with streams that are replicated by FULL_TABLE, as Meltano writes it."""
    catalog = select(*streams)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["replication-method"] = "FULL_TABLE"
    return catalog


def test_full_table_in_the_metadata_is_honoured(sandbox: Sandbox, config: dict[str, Any]) -> None:
    state = {"bookmarks": {"emails": {"replication_key_value": "2026-11-22"}}}
    output = run(config, catalog=full_table("emails"), state=state)
    rows_there = expected(sandbox.world, "emails", days_ago(8))
    assert ordered(output.records("emails")) == ordered(rows_there)


@pytest.mark.parametrize(
    ("changes", "activated"),
    [
        ({}, True),
        ({"end_date": NOW.date().isoformat()}, True),
        ({"start_date": None}, False),
        ({"end_date": days_ago(1).isoformat()}, False),
    ],
)
def test_a_version_is_activated_only_where_the_run_covers_what_the_target_may_have(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture, changes: Any, *, activated: bool
) -> None:
    config |= {"emit_activate_version_messages": True, **changes}
    output = run(config, catalog=full_table("emails"))
    assert len(output.of_type("ACTIVATE_VERSION")) == activated
    assert {"version" in message for message in output.of_type("RECORD")} == {activated}
    said = [line for line in warnings_of(caplog) if "No ACTIVATE_VERSION" in line]
    assert len(said) == (not activated)


def test_no_version_is_activated_where_a_row_limit_may_have_hidden_rows(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.readings = Readings(row_limit=100)
    sandbox.world = World(rows_per_day=90)
    config["emit_activate_version_messages"] = True
    output = run(config, catalog=full_table("conversations"))
    assert not output.of_type("ACTIVATE_VERSION")
    assert [line for line in warnings_of(caplog) if "rows may be missing, as a warning" in line]


@pytest.mark.parametrize(
    ("stream", "start"), [("emails", days_ago(-30)), ("cccslotsactivity", days_ago(8))]
)
def test_no_version_is_activated_where_nothing_is_read_or_no_range_says_how_far_back(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture, stream: str, start: date
) -> None:
    config |= {"emit_activate_version_messages": True, "start_date": start.isoformat()}
    output = run(config, catalog=full_table(stream))
    assert not output.of_type("ACTIVATE_VERSION")
    assert warnings_of(caplog)


def test_a_bookmark_after_today_drops_no_row_of_a_table_without_windows(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = {"bookmarks": {"cccslotsactivity": {"replication_key_value": "2027-11-22"}}}
    output = run(config, catalog=select("cccslotsactivity"), state=state)
    assert ordered(output.records("cccslotsactivity")) == ordered(
        expected(sandbox.world, "cccslotsactivity", NOW.date())
    )
    (said,) = warnings_of(caplog)
    assert "after the server's today" in said


def test_days_of_nothing_are_named_although_the_stream_fails_later(
    sandbox: Sandbox, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    config["window_days"] = 1
    sandbox.fail("empty", "emails", start=7)
    sandbox.fail("status-400", "emails", start=5)
    with pytest.raises(TapCobrowserError, match="400"):
        run(config, catalog=select("emails"), time=Waits().of_tap())
    (said,) = (line for line in warnings_of(caplog) if "without even a header" in line)
    assert days_ago(7).isoformat() in said


@pytest.mark.parametrize(("keys", "warned"), [(["id", "account_id"], 0), (["account_id"], 1)])
def test_the_check_of_keys_goes_by_the_key_of_a_stream_map(
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    keys: list[str],
    warned: int,
) -> None:
    config["stream_maps"] = {"emails": {"__key_properties__": keys, "__else__": None}}
    config["stream_maps"]["emails"] |= {name: name for name in (*keys, "timestamp")}
    run(config, catalog=select("emails"))
    assert len(warnings_of(caplog)) == warned


@pytest.mark.parametrize("fault", ["status-204", "empty"])
@pytest.mark.parametrize("stream", ["accounts", "emails"])
def test_no_version_is_activated_for_a_response_that_has_not_even_a_header(
    sandbox: Sandbox,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    fault: str,
    stream: str,
) -> None:
    sandbox.fail(fault, stream)
    config["emit_activate_version_messages"] = True
    output = run(config, catalog=full_table(stream), time=Waits().of_tap())
    assert not output.of_type("ACTIVATE_VERSION")
    said = warnings_of(caplog)
    assert sum("without even a header, and counts as no rows" in line for line in said) == 1
    assert sum("No ACTIVATE_VERSION" in line for line in said) == 1


def test_the_dry_run_writes_no_file_and_activates_nothing(
    config: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    (tmp_path / "batches").mkdir()
    config["emit_activate_version_messages"] = True
    config["batch_config"] = {
        "encoding": {"format": "jsonl"},
        "storage": {"root": (tmp_path / "batches").as_uri()},
    }
    output = command(config, "--test")
    assert output.code == 0, output.stderr
    assert len(output.records("accounts")) == 1
    assert not output.of_type("BATCH")
    assert not output.of_type("ACTIVATE_VERSION")
    assert not list((tmp_path / "batches").iterdir())
