"""Catalogs: accepted or rejected, and no stream without its key."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cobrowser.errors import CatalogError
from tap_cobrowser.singer.catalog import parse
from tap_cobrowser.streams import STREAMS as CLASSES
from tests.expected import STREAMS
from tests.outputs import select
from tests.strategies import mutated

if TYPE_CHECKING:
    from singer_sdk.singerlib import Catalog, CatalogEntry

WHOLE = select(*STREAMS)
WARNINGS: list[str] = []


def parsed(catalog: object) -> Catalog:
    """Parse a catalog; its warnings are in WARNINGS."""
    WARNINGS.clear()
    return parse(
        catalog,
        STREAMS,
        {"later": " without a setting"},
        lambda text, *values: WARNINGS.append(text % values),
    )


def catalog_of(name: str, **changes: Any) -> dict[str, Any]:
    """Return the catalog of one selected stream, with changes to its entry."""
    (entry,) = [each for each in WHOLE["streams"] if each["stream"] == name]
    return {"streams": [copy.deepcopy(entry) | changes]}


def metadata_of(catalog: dict[str, Any], *breadcrumb: str) -> dict[str, Any]:
    """Return the metadata of a stream, or of one of its columns."""
    (found,) = [
        item["metadata"]
        for item in catalog["streams"][0]["metadata"]
        if tuple(item["breadcrumb"]) == breadcrumb
    ]
    assert isinstance(found, dict)
    return found


def rejection(catalog: object) -> str:
    """Return the error that rejects a catalog."""
    with pytest.raises(CatalogError) as raised:
        parsed(catalog)
    line = str(raised.value)
    assert "\n" not in line
    return line


def mask(entry: CatalogEntry) -> dict[str, bool]:
    """Return which columns of a stream are selected."""
    selection = entry.metadata.resolve_selection()
    return {name: selection["properties", name] for name in entry.schema.properties or {}}


def test_a_discovered_catalog_is_used_as_it_is() -> None:
    found = parsed(WHOLE)
    assert found.keys() == STREAMS.keys()
    for name, entry in found.items():
        assert entry.schema.to_dict()["properties"] == STREAMS[name].schema["properties"]
        assert entry.key_properties == list(STREAMS[name].primary_keys)
        assert entry.replication_key == STREAMS[name].replication_key
        assert all(mask(entry).values())
    assert not WARNINGS


@pytest.mark.parametrize("change", ["absent", "null", "deselected", "unsupported"])
@pytest.mark.parametrize("name", ["emails", "agentperformance", "accounts"])
def test_a_selected_stream_has_its_key_columns_whatever_the_catalog_says(
    name: str, change: str
) -> None:
    stream = STREAMS[name]
    keys = {*stream.primary_keys, *filter(None, [stream.replication_key])}
    catalog = catalog_of(name)
    entry = catalog["streams"][0]
    for key in keys:
        if change in {"absent", "null"}:
            del entry["schema"]["properties"][key]
            entry["metadata"] = [m for m in entry["metadata"] if key not in m["breadcrumb"]]
        elif change == "deselected":
            metadata_of(catalog, "properties", key).update(inclusion="available", selected=False)
        else:
            metadata_of(catalog, "properties", key)["inclusion"] = "unsupported"
    if change == "null":
        entry["key_properties"] = entry["replication_key"] = None
        metadata_of(catalog).update({"table-key-properties": [], "replication-key": None})
    found = parsed(catalog)[name]
    assert {key for key, selected in mask(found).items() if selected} >= keys
    assert found.key_properties == list(stream.primary_keys)
    assert found.replication_key == stream.replication_key
    assert len(WARNINGS) == (len(keys) if change in {"deselected", "unsupported"} else 0)


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": {}}])
def test_a_selected_stream_without_columns_is_rejected(schema: object) -> None:
    assert "Its schema has no columns" in rejection(catalog_of("emails", schema=schema))
    deselected = catalog_of("emails", schema=schema)
    metadata_of(deselected)["selected"] = False
    assert parsed(deselected)["emails"].schema.properties


def test_a_catalog_without_metadata_selects_the_stream_unless_the_entry_says_otherwise() -> None:
    catalog = catalog_of("emails")
    del catalog["streams"][0]["metadata"]
    assert all(mask(parsed(catalog)["emails"]).values())  # as the SDK has it
    catalog["streams"][0]["selected"] = False  # where older catalogs have it
    assert not parsed(catalog)["emails"].metadata.resolve_selection()[()]


@pytest.mark.parametrize(
    ("entry", "root", "method"),
    [
        ("INCREMENTAL", {}, "INCREMENTAL"),
        (None, {}, "INCREMENTAL"),
        ("FULL_TABLE", {}, "FULL_TABLE"),
        ("INCREMENTAL", {"replication-method": "FULL_TABLE"}, "FULL_TABLE"),
        ("INCREMENTAL", {"forced-replication-method": "FULL_TABLE"}, "FULL_TABLE"),
        (None, {"replication-method": "INCREMENTAL"}, "INCREMENTAL"),
    ],
)
def test_a_replication_method_counts_wherever_it_stands(
    entry: str | None, root: dict[str, str], method: str
) -> None:
    catalog = catalog_of("emails", replication_method=entry)
    metadata_of(catalog).update(root)
    assert parsed(catalog)["emails"].replication_method == method


def test_a_stream_without_replication_key_is_a_full_table() -> None:
    catalog = catalog_of("accounts", replication_method="INCREMENTAL")
    assert parsed(catalog)["accounts"].replication_method == "FULL_TABLE"


@pytest.mark.parametrize(
    ("place", "name", "value", "said"),
    [
        ("entry", "replication_method", "LOG_BASED", "method 'LOG_BASED'"),
        ("entry", "replication_method", "sometimes", "method 'sometimes'"),
        ("root", "replication-method", "incremental", "method 'incremental'"),
        ("root", "forced-replication-method", "LOG_BASED", "method 'LOG_BASED'"),
        ("entry", "key_properties", ["nothing"], "an unknown column: 'nothing'"),
        ("root", "table-key-properties", ["to", "x"], "an unknown column: 'x'"),
    ],
)
def test_what_a_stream_cannot_do_is_rejected(
    place: str, name: str, value: object, said: str
) -> None:
    catalog = catalog_of("emails")
    (catalog["streams"][0] if place == "entry" else metadata_of(catalog))[name] = value
    line = rejection(catalog)
    assert said in line
    assert "'emails'" in line


def test_another_key_counts_wherever_it_stands() -> None:
    catalog = catalog_of("emails", key_properties=["browse_id", "timestamp"])
    assert parsed(catalog)["emails"].key_properties == ["browse_id", "timestamp"]
    catalog["streams"][0]["key_properties"] = ["id"]
    metadata_of(catalog)["table-key-properties"] = ["subject"]
    assert parsed(catalog)["emails"].key_properties == ["subject"]


@pytest.mark.parametrize("types", [[["object", "null"]], "text", ["array"], 5, None])
def test_a_column_is_a_scalar(types: object) -> None:
    catalog = catalog_of("emails")
    catalog["streams"][0]["schema"]["properties"]["subject"] = {"type": types}
    rejection(catalog)
    catalog["streams"][0]["schema"]["properties"]["subject"] = types
    rejection(catalog)


def test_a_selected_column_that_is_not_in_the_schema_is_added_or_warned_of() -> None:
    catalog = catalog_of("emails")
    del catalog["streams"][0]["schema"]["properties"]["subject"]
    assert "subject" not in mask(parsed(catalog)["emails"])
    metadata_of(catalog, "properties", "subject")["selected"] = True
    assert mask(parsed(catalog)["emails"])["subject"]
    assert not WARNINGS
    catalog = catalog_of("emails")
    catalog["streams"][0]["schema"]["properties"]["new"] = {"type": "string"}
    assert "new" not in mask(parsed(catalog)["emails"])
    assert "the selected column 'new' does not exist" in WARNINGS[0]


def test_the_replication_key_stays_the_stream_s_own_and_a_date_time() -> None:
    catalog = catalog_of("emails", replication_key="subject")
    metadata_of(catalog)["replication-key"] = "id"
    assert parsed(catalog)["emails"].replication_key == "timestamp"
    catalog["streams"][0]["schema"]["properties"]["timestamp"] = {"type": "integer"}
    properties = parsed(catalog)["emails"].schema.to_dict()["properties"]
    assert properties["timestamp"] == STREAMS["emails"].schema["properties"]["timestamp"]


def test_streams_twice_are_rejected_and_unknown_ones_warned_of_if_selected() -> None:
    catalog = catalog_of("emails")
    catalog["streams"] *= 2
    assert "'emails' more than once" in rejection(catalog)
    for name, reason in (("later", " without a setting"), ("other", "")):
        catalog = catalog_of("emails", tap_stream_id=name)
        assert not parsed(catalog)
        text = f"The catalog selects the stream '{name}', which this tap does not have{reason}."
        assert [text] == WARNINGS
        metadata_of(catalog)["selected"] = False
        assert not parsed(catalog)
        assert not WARNINGS


@pytest.mark.parametrize("catalog", [None, 5, "emails", [], {}, {"streams": []}, {"streams": {}}])
def test_what_is_no_catalog_is_rejected(catalog: object) -> None:
    assert rejection(catalog).startswith("The catalog is not valid")


@given(st.data())
def test_any_catalog_is_rejected_or_every_selected_stream_has_its_key(
    data: st.DataObject,
) -> None:
    catalog = data.draw(mutated(select("emails", "accounts")))
    try:
        found = parsed(catalog)
    except CatalogError:
        return
    for name, entry in found.items():
        keys = {*STREAMS[name].primary_keys, *filter(None, [STREAMS[name].replication_key])}
        selected = {column for column, chosen in mask(entry).items() if chosen}
        assert entry.metadata.resolve_selection()[()] is False or selected >= keys
        assert set(entry.key_properties or ()) <= STREAMS[name].schema["properties"].keys()
    assert {stream.name for stream in CLASSES} >= found.keys()
