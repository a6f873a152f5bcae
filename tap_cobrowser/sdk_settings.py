"""Checks the settings that the SDK adds as strictly as the tap's own.

The SDK's own JSON Schemas accept too much: with a `batch_size` of -1, for example, no row is
written.
"""

from __future__ import annotations

import json
from fnmatch import fnmatch
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import BatchConfig

from tap_cobrowser.errors import SettingError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import boolean, integer
from tap_cobrowser.shape import mismatch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TEXT = {"type": ["string", "null"]}
_BATCH_CONFIG: dict[str, Any] = {
    "type": "object",
    "required": ["encoding", "storage"],
    "additionalProperties": False,
    "properties": {
        "batch_size": {},
        "encoding": {
            "type": "object",
            "required": ["format"],
            "additionalProperties": False,
            "properties": {
                "format": {"enum": ["jsonl", "parquet"]},
                "compression": {"enum": ["gzip", "none", None]},
            },
        },
        "storage": {
            "type": "object",
            "required": ["root"],
            "additionalProperties": False,
            "properties": {
                "root": {"type": "string", "minLength": 1},
                "prefix": _TEXT,
                "params": {"type": ["object", "null"]},
            },
        },
    },
}
_ELSE = {"enum": ["__NULL__", None]}
_STREAM_MAPS = {
    "type": "object",
    "properties": {"__else__": _ELSE},
    "additionalProperties": {
        "type": ["object", "string", "null"],
        "properties": {
            "__else__": _ELSE,
            "__key_properties__": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        "additionalProperties": _TEXT,
    },
}
# These replace the SDK's own schemas, the second of which is not a valid JSON Schema.
_STRICTER = {"batch_config": _BATCH_CONFIG, "stream_maps": _STREAM_MAPS}
_LEAST = {"flattening_max_depth": 0, "flattening_max_key_length": 1}


def check(
    config: Mapping[str, Any], schemas: Mapping[str, Any], streams: Collection[str]
) -> dict[str, Any]:
    """Check the SDK's settings and convert them to their types; those not set are left out.

    Args:
        config: The values as they were passed in, from any source.
        schemas: JSON Schema of each setting of the SDK.
        streams: The names that a stream map may have.

    Raises:
        SettingError: If one is invalid.
    """
    values = {
        name: _typed(config[name], name, schema)
        for name, schema in schemas.items()
        if not _is_left_out(config.get(name))
    }
    for name, value in values.items():
        schema = _STRICTER.get(name, schemas[name])
        if found := mismatch(schema, value, name):
            msg = f"Setting '{found[0]}' is not valid: {found[1]}"
            raise SettingError(msg, advice="See `tap-cobrowser --about` for valid values.")
    if "batch_config" in values:
        values["batch_config"] = _batch_config(values["batch_config"])
    if values.get("flattening_enabled") and "flattening_max_depth" not in values:
        msg = "Setting 'flattening_max_depth' is missing"
        raise SettingError(msg, advice="`flattening_enabled` needs it. Give a whole number.")
    if "faker_config" in values and not find_spec("faker"):
        msg = "Setting 'faker_config' needs the package faker"
        raise SettingError(msg, advice="Install it with the tap, or leave the setting out.")
    for name, stream_map in values.get("stream_maps", {}).items():
        source = stream_map.get("__source__", name) if isinstance(stream_map, dict) else name
        if name != "__else__" and not any(fnmatch(stream, source) for stream in streams):
            msg = f"Setting 'stream_maps' names an unknown stream: {quote(source, 60)}"
            raise SettingError(msg, advice="See `tap-cobrowser --discover` for the names.")
    return values


def _is_left_out(value: object) -> bool:
    return value in (None, {}) or (isinstance(value, str) and not value.strip())


def _typed(value: object, name: str, schema: Mapping[str, Any]) -> Any:
    """Return a value in its type; text is converted."""
    if "boolean" in schema["type"]:
        return boolean(value, name)
    if "integer" in schema["type"]:
        return integer(value, name, _LEAST.get(name, 0))
    if "object" in schema["type"] and isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            msg = f"Setting '{name}' is not valid: it is text, but not JSON"
        raise SettingError(msg, advice="Give it as a JSON object.")
    return value


def _batch_config(value: Mapping[str, Any]) -> dict[str, Any]:
    checked = {key: part for key, part in value.items() if part is not None}
    if "batch_size" in checked:
        checked["batch_size"] = integer(checked["batch_size"], "batch_config.batch_size", 1)
    checked["storage"] = {key: part for key, part in value["storage"].items() if part is not None}
    if value["encoding"]["format"] == "parquet" and not find_spec("pyarrow"):
        msg = "Setting 'batch_config.encoding.format' is 'parquet', which needs an extra"
        raise SettingError(msg, advice="Install `tap-cobrowser[parquet]`, or use 'jsonl'.")
    try:
        BatchConfig.from_dict(checked).storage.get_url("file")
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        reason = quote(error, 150)
    else:
        return checked
    msg = f"Setting 'batch_config.storage' cannot be used: {reason}"
    raise SettingError(msg, advice="Set `root` to a folder that can be written to.")
