"""Pure: does a JSON value have the form that a JSON Schema requires, and if not, where?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import best_match
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def mismatch(schema: Mapping[str, Any], value: object, name: str = "") -> tuple[str, str] | None:
    """Return where a value does not match a JSON Schema, and why; None if it matches.

    A value of the wrong type is not quoted, because it may be a secret.

    Args:
        schema: The JSON Schema.
        value: The value.
        name: The name of the value; the path to the place is appended to it.
    """
    try:
        error = best_match(DEFAULT_JSONSCHEMA_VALIDATOR(schema).iter_errors(value))
    except RecursionError:
        return name, "it is nested too deeply"
    if error is None:
        return None
    # The path begins with `$`, for the value itself.
    where = f"{name}{error.json_path[1:]}".lstrip(".")
    if error.validator == "type":
        kinds = error.validator_value
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return where, f"it must be of type {' or '.join(kinds)}"
    return where, quote(error.message, 150).removesuffix("…")[1:-1]
