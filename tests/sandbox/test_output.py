"""The SDK's capabilities work with a checkpoint per window, with RECORD and BATCH messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from pyarrow import parquet

from tap_cobrowser.days import midnight
from tap_cobrowser.errors import SettingError
from tests.expected import AMSTERDAM, days_ago, expected, ordered
from tests.outputs import Command, Output, run, select

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox import Sandbox

MODES = ["RECORD", "BATCH"]
PARQUET = {"format": "parquet", "compression": "none"}
FIRST = days_ago(8)


@pytest.fixture
def settings(config: dict[str, Any], tmp_path: Path, mode: str) -> dict[str, Any]:
    if mode == "RECORD":
        return config
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "tap-"},
    }
    return {**config, "batch_config": batches}


def emitted(output: Output, mode: str) -> set[str]:
    """Return the types of messages other than SCHEMA, with those that no mode may mix."""
    kinds = {message["type"] for message in output.messages} - {"SCHEMA", "STATE"}
    assert kinds == {mode}
    return kinds


def test_batches_of_parquet_hold_what_records_would(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    config["batch_config"] = {"encoding": PARQUET, "storage": {"root": tmp_path.as_uri()}}
    output = run(config, catalog=select("conversations"))
    assert emitted(output, "BATCH")
    found: list[dict[str, Any]] = []
    for message in output.of_type("BATCH"):
        for url in message["manifest"]:
            found += parquet.read_table(url2pathname(urlsplit(url).path)).to_pylist()
    assert ordered(found) == ordered(expected(sandbox.world, "conversations", FIRST))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_file_of_lines_is_compressed_as_its_message_says(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path, compression: str
) -> None:
    config["batch_config"] = {
        "encoding": {"format": "jsonl", "compression": compression},
        "storage": {"root": tmp_path.as_uri()},
    }
    output = run(config, catalog=select("conversations"))
    endings = {"".join(path.suffixes) for path in tmp_path.iterdir()}
    assert endings == {".json" if compression == "none" else ".json.gz"}
    rows = expected(sandbox.world, "conversations", FIRST)
    assert ordered(output.records("conversations")) == ordered(rows)


def test_a_folder_that_cannot_be_written_is_an_error_without_a_state(
    config: dict[str, Any], command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    storage = {"root": (tmp_path / "file" / "batches").as_uri()}
    config["batch_config"] = {"encoding": {"format": "jsonl"}, "storage": storage}
    output = command(config, catalog=select("emails"))
    assert output.code == 1
    assert "Setting 'batch_config.storage': a file cannot be written: " in output.last_line
    assert "Traceback" not in output.stderr
    assert not output.states


def test_parquet_without_its_extra_is_rejected_before_any_request(
    sandbox: Sandbox, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_cobrowser.singer.sdk_settings.find_spec", lambda _: None)
    config["batch_config"] = {"encoding": PARQUET, "storage": {"root": tmp_path.as_uri()}}
    with pytest.raises(SettingError, match=r"batch_config.encoding.format.*cobrowser\[parquet\]"):
        run(config)
    assert not sandbox.requests


@pytest.mark.parametrize("mode", MODES)
def test_columns_that_are_deselected_are_gone(
    sandbox: Sandbox, settings: dict[str, Any], mode: str
) -> None:
    catalog = select("emails", but={"emails": ["subject", "bcc"]})
    output = run(settings, catalog=catalog)
    assert emitted(output, mode)
    rows = expected(sandbox.world, "emails", FIRST)
    kept = [{n: row[n] for n in row if n not in {"subject", "bcc"}} for row in rows]
    assert ordered(output.records("emails")) == ordered(kept)


@pytest.mark.parametrize("mode", MODES)
def test_stream_maps_rename_remove_compute_filter_alias_and_copy(
    sandbox: Sandbox, settings: dict[str, Any], mode: str
) -> None:
    settings["stream_maps"] = {
        "conversations": {
            "browse_id": "browse_id",
            "conversation_start": "conversation_start",
            "agent": "last_agent_id",
            "minutes": "float(duration_secs) / 60",
            "__else__": None,
            "__filter__": "num_messages > 5",
            "__alias__": "chats",
        },
        "accounts": {"name": "name.upper()"},
        "accounts_copy": {"__source__": "accounts"},
        "agents": None,
    }
    output = run(settings, catalog=select("conversations", "accounts", "agents"))
    assert emitted(output, mode)
    rows = [
        {
            "browse_id": row["browse_id"],
            "conversation_start": row["conversation_start"],
            "agent": row["last_agent_id"],
            "minutes": row["duration_secs"] / 60,
        }
        for row in expected(sandbox.world, "conversations", FIRST)
        if row["num_messages"] > 5
    ]
    assert ordered(output.records("chats")) == ordered(rows)
    accounts = expected(sandbox.world, "accounts", FIRST)
    louder = [{**row, "name": row["name"].upper()} for row in accounts]
    assert ordered(output.records("accounts")) == ordered(louder)
    assert ordered(output.records("accounts_copy")) == ordered(accounts)
    assert not output.records("agents")
    streams = {message["stream"] for message in output.of_type("SCHEMA")}
    assert streams == {"chats", "accounts", "accounts_copy"}


@pytest.mark.parametrize("mode", MODES)
def test_flattening_changes_nothing_where_nothing_is_nested(
    sandbox: Sandbox, settings: dict[str, Any], mode: str
) -> None:
    settings |= {"flattening_enabled": True, "flattening_max_depth": 2}
    output = run(settings, catalog=select("slotsactivity"))
    assert emitted(output, mode)
    rows = expected(sandbox.world, "slotsactivity", FIRST)
    assert ordered(output.records("slotsactivity")) == ordered(rows)


@pytest.mark.parametrize("mode", MODES)
def test_no_state_runs_ahead_of_the_records_of_its_window(
    sandbox: Sandbox, settings: dict[str, Any], mode: str
) -> None:
    output = run(settings, catalog=select("slotsactivity"))
    assert emitted(output, mode)
    for at, message in enumerate(output.messages):
        if message["type"] == "STATE":
            before = Output(output.messages[:at]).records("slotsactivity")
            done = message["value"]["bookmarks"]["slotsactivity"]["replication_key_value"]
            rows = expected(sandbox.world, "slotsactivity", FIRST)
            claimed = [row for row in rows if row["time_start"] < done]
            emitted_ids = {row["activity_id"] for row in before}
            assert {row["activity_id"] for row in claimed} <= emitted_ids
    assert len(output.states) == 5


@pytest.mark.parametrize("mode", MODES)
def test_a_table_without_bookmark_activates_its_version_after_its_records(
    settings: dict[str, Any], mode: str
) -> None:
    settings["emit_activate_version_messages"] = True
    output = run(settings, catalog=select("agents", "emails"))
    kinds = [message["type"] for message in output.messages if message.get("stream") == "agents"]
    assert kinds[0] == "SCHEMA"
    assert kinds[-1] == "ACTIVATE_VERSION"
    assert set(kinds[1:-1]) == {mode}
    (activate,) = output.of_type("ACTIVATE_VERSION")  # none for what has a bookmark
    versions = (
        {record["_sdc_table_version"] for record in output.records("agents")}
        if mode == "BATCH"
        else {
            message["version"] for message in output.of_type(mode) if message["stream"] == "agents"
        }
    )
    assert versions == {activate["version"]}


@pytest.mark.parametrize("mode", MODES)
def test_full_refresh_of_a_stream_with_bookmark_activates_its_version_too(
    sandbox: Sandbox, settings: dict[str, Any], mode: str
) -> None:
    settings["emit_activate_version_messages"] = True
    catalog = select("emails")
    for stream in catalog["streams"]:
        stream["replication_method"] = "FULL_TABLE"
    output = run(settings, catalog=catalog)
    assert len(output.of_type("ACTIVATE_VERSION")) == 1
    assert output.messages[-1]["type"] == "STATE"
    assert emitted(Output(output.of_type(mode)), mode)
    records = output.records("emails")
    assert {record.pop("_sdc_table_version", None) for record in records} == {
        output.of_type("ACTIVATE_VERSION")[0]["version"] if mode == "BATCH" else None
    }
    assert ordered(records) == ordered(expected(sandbox.world, "emails", FIRST))


def test_every_record_has_the_time_of_its_response_and_its_columns_in_order(
    config: dict[str, Any],
) -> None:
    output = run(config, catalog=select("emails"))
    records = output.of_type("RECORD")
    assert all(message["time_extracted"] for message in records)
    (schema,) = output.of_type("SCHEMA")
    columns = list(schema["schema"]["properties"])
    assert all(list(message["record"]) == columns for message in records)
    assert schema["key_properties"] == ["id"]
    assert schema["bookmark_properties"] == ["timestamp"]
    assert output.bookmark("emails") == midnight(days_ago(0), AMSTERDAM).isoformat()
