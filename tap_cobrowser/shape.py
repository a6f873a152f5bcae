"""Whether JSON that somebody hands in has the form that is asked for, and where it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema.exceptions import best_match
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from tap_cobrowser.redaction import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def mismatch(schema: Mapping[str, Any], value: object, name: str = "") -> tuple[str, str] | None:
    """Return where a value is not as a JSON Schema asks for, and why; None if it is.

    No value of the wrong type is quoted: it may be anything, a secret too.

    Args:
        schema: The JSON Schema.
        value: The value.
        name: What the value is called; the path to the place follows it.
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
        return where, f"it has to be of type {' or '.join(kinds)}"
    return where, quote(error.message, 150).removesuffix("…")[1:-1]
