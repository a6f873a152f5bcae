"""Reads the settings that the SDK adds, and checks what would lose rows.

The SDK checks the rest when it uses them: stream maps when the tap starts, for example.
"""

from __future__ import annotations

from fnmatch import fnmatch
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import BatchConfig, StorageTarget

from tap_cobrowser.errors import SettingError
from tap_cobrowser.redaction import quote
from tap_cobrowser.settings import boolean, integer, is_unset, parse_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def check(
    config: Mapping[str, Any], schemas: Mapping[str, Any], streams: Collection[str]
) -> dict[str, Any]:
    """Return the SDK's settings in their types; those not set are left out.

    `schemas` has the JSON Schema of each setting; `streams` are the names that a stream map may
    have.

    Raises:
        SettingError: If one is invalid.
    """
    values = {
        name: _typed(config[name], name, schema)
        for name, schema in schemas.items()
        if config.get(name) != {} and not is_unset(config.get(name))
    }
    if "batch_config" in values:
        values["batch_config"] = _batch_config(values["batch_config"])
    if values.get("flattening_enabled") and "flattening_max_depth" not in values:
        msg = "Setting 'flattening_max_depth' is missing"
        raise SettingError(msg, advice="`flattening_enabled` needs it. Give a whole number.")
    for name, stream_map in values.get("stream_maps", {}).items():
        source = stream_map.get("__source__", name) if isinstance(stream_map, dict) else name
        if name != "__else__" and not any(fnmatch(stream, str(source)) for stream in streams):
            msg = f"Setting 'stream_maps' names an unknown stream: {quote(source, 60)}"
            raise SettingError(msg, advice="See `tap-cobrowser --discover` for the names.")
    return values


def _typed(value: object, name: str, schema: Mapping[str, Any]) -> Any:
    """Return a value in its type; text is converted."""
    if "boolean" in schema["type"]:
        return boolean(value, name)
    if "integer" in schema["type"]:
        return integer(value, name, 1 if name == "flattening_max_key_length" else 0)
    kind, said = (dict, "a JSON object") if "object" in schema["type"] else (str, "text")
    reason = f"it must be {said}"
    if kind is dict and isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError as error:
            reason = str(error)
    if not isinstance(value, kind):
        msg = f"Setting '{name}' is not valid: {reason}"
        raise SettingError(msg, advice=f"Give {said}.")
    return value


def _batch_config(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the setting, after a trial of the SDK's classes for it."""
    checked = dict(value)
    if "batch_size" in checked:
        checked["batch_size"] = integer(checked["batch_size"], "batch_config.batch_size", 1)
    try:
        reason = _why_not(BatchConfig.from_dict(checked))
    except Exception as error:  # noqa: BLE001 - each file system has errors of its own
        reason = quote(f"{type(error).__name__}: {error}", 150)
    if not reason:
        return checked
    msg = f"Setting 'batch_config' cannot be used: {reason}"
    advice = "Give `encoding.format`, and in `storage.root` a folder that can be written to."
    raise SettingError(msg, advice=advice)


def _why_not(config: BatchConfig) -> str:
    """Return why files cannot be written with a configuration, "" if they can."""
    kind, compression = config.encoding.format, config.encoding.compression
    storage = config.storage
    if kind not in ("jsonl", "parquet") or compression not in ("gzip", "none", None):
        return f"there is no encoding {quote([kind, compression], 60)}"
    if kind == "parquet" and not find_spec("pyarrow"):
        return "`batch_config.encoding.format` needs the extra `tap-cobrowser[parquet]`"
    if not storage.root.strip():
        return "`storage.root` is empty"
    StorageTarget(storage.root, storage.prefix, storage.params).get_url("file")
    return ""
