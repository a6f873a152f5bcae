"""The SDK's settings: converted to their types, or rejected in one line that names the setting."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.errors import SettingError
from tap_cobrowser.settings import OWN
from tap_cobrowser.singer import sdk_settings
from tap_cobrowser.tap import TapCobrowser
from tests.strategies import JSON, mutated

TapCobrowser.append_builtin_config(TapCobrowser.config_jsonschema)
SCHEMAS = {
    name: schema
    for name, schema in TapCobrowser.config_jsonschema["properties"].items()
    if name not in OWN
}
ROOT = Path.cwd().as_uri()
BATCHES = {"encoding": {"format": "jsonl"}, "storage": {"root": ROOT}}


def checked(**config: object) -> dict[str, Any]:
    return sdk_settings.check(config, SCHEMAS, ["emails", "accounts"])


def batches(**changes: object) -> dict[str, object]:
    return {**BATCHES, **changes}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("nothing", [None, "", "  ", {}])
def test_an_empty_value_is_a_setting_left_out(name: str, nothing: object) -> None:
    assert checked(**{name: nothing}) == {}


@pytest.mark.parametrize(
    ("name", "given_value", "value"),
    [
        ("emit_activate_version_messages", "false", False),
        ("emit_activate_version_messages", "1", True),
        ("flattening_max_depth", "2", 2),
        ("flattening_max_depth", Decimal("3.0"), 3),
        ("flattening_separator", "__", "__"),
        ("stream_maps", '{"emails": null}', {"emails": None}),
        ("stream_maps", {"e*": {"x": "__NULL__"}}, {"e*": {"x": "__NULL__"}}),
        ("stream_map_config", {"seed": 1}, {"seed": 1}),
        ("batch_config", batches(batch_size="2"), batches(batch_size=2)),
        ("batch_config", batches(batch_size=5.0), batches(batch_size=5)),
    ],
)
def test_a_value_has_its_type_wherever_it_comes_from(
    name: str, given_value: object, value: object
) -> None:
    assert checked(**{name: given_value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("emit_activate_version_messages", "perhaps", "emit_activate_version_messages"),
        ("emit_activate_version_messages", [], "emit_activate_version_messages"),
        ("flattening_enabled", "sometimes", "flattening_enabled"),
        ("flattening_enabled", True, "flattening_max_depth"),
        ("flattening_max_depth", -1, "flattening_max_depth"),
        ("flattening_max_depth", "deep", "flattening_max_depth"),
        ("flattening_max_depth", 1.5, "flattening_max_depth"),
        ("flattening_max_key_length", 0, "flattening_max_key_length"),
        ("flattening_separator", 5, "flattening_separator"),
        ("stream_maps", 5, "stream_maps"),
        ("stream_maps", [], "stream_maps"),
        ("stream_maps", "{", "stream_maps"),
        ("stream_maps", "[1]", "stream_maps"),
        ("stream_maps", {"mails": {}}, "stream_maps"),
        ("stream_maps", {"copy": {"__source__": "mails"}}, "stream_maps"),
        ("stream_map_config", ["a"], "stream_map_config"),
        ("batch_config", [], "batch_config"),
        ("batch_config", "{", "batch_config"),
        ("batch_config", {"batch_size": 5}, "batch_config"),
        ("batch_config", {"encoding": {"format": "jsonl"}}, "batch_config"),
        ("batch_config", batches(size=5), "batch_config"),
        ("batch_config", batches(encoding=None), "batch_config"),
        ("batch_config", batches(encoding="jsonl"), "batch_config"),
        ("batch_config", batches(encoding={}), "batch_config"),
        ("batch_config", batches(encoding={"format": "avro"}), "batch_config"),
        (
            "batch_config",
            batches(encoding={"format": "jsonl", "compression": "zip"}),
            "batch_config",
        ),
        ("batch_config", batches(storage=None), "batch_config"),
        ("batch_config", batches(storage={}), "batch_config"),
        ("batch_config", batches(storage={"root": ""}), "batch_config"),
        ("batch_config", batches(storage={"root": " "}), "batch_config"),
        ("batch_config", batches(storage={"root": 5}), "batch_config"),
        ("batch_config", batches(storage={"root": "nowhere://x"}), "batch_config"),
    ],
)
def test_a_wrong_value_is_rejected_in_one_line_that_names_the_setting(
    name: str, value: object, place: str
) -> None:
    with pytest.raises(SettingError) as raised:
        checked(**{name: value})
    line = str(raised.value)
    assert line.startswith(f"Setting '{place}")
    assert "\n" not in line
    assert ". " in line or "… " in line


@pytest.mark.parametrize(
    "size", [None, -1, 0, 2.5, Decimal("2.5"), "two", True, [], float("nan"), 10**400]
)
def test_a_file_has_a_row_or_more(size: object) -> None:
    with pytest.raises(SettingError, match=r"^Setting 'batch_config\.batch_size' is .* 1 or more"):
        checked(batch_config=batches(batch_size=size))


def test_a_value_of_the_wrong_type_is_not_shown() -> None:
    with pytest.raises(SettingError) as raised:
        checked(stream_map_config="hush hush")
    assert "hush" not in str(raised.value)


@given(
    st.one_of(
        st.dictionaries(st.sampled_from(list(SCHEMAS)), JSON),
        mutated(
            {
                "stream_maps": {"emails": {"subject": "to", "__filter__": "id"}},
                "flattening_enabled": True,
                "flattening_max_depth": 1,
                "batch_config": batches(batch_size=5),
            },
            most=3,
        ),
    )
)
def test_whatever_a_setting_holds_it_is_rejected_or_of_its_type(config: object) -> None:
    if not isinstance(config, dict):
        return
    try:
        values = checked(**config)
    except SettingError:
        return
    if "batch_config" in values:
        assert values["batch_config"].get("batch_size", 1) >= 1
        assert values["batch_config"]["storage"]["root"]
        assert values["batch_config"]["encoding"]["format"] in {"jsonl", "parquet"}
    assert isinstance(values.get("stream_maps", {}), dict)
    assert isinstance(values.get("flattening_enabled", False), bool)
