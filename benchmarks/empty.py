"""An SDK tap without streams: the start-up cost of any tap. Run as `python -m benchmarks.empty`."""

from __future__ import annotations

from typing import Any, ClassVar

from singer_sdk import Stream, Tap


class EmptyTap(Tap):
    """A tap of nothing."""

    name = "empty-tap"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}

    def discover_streams(self) -> list[Stream]:
        """Return no stream."""
        return []


if __name__ == "__main__":
    EmptyTap.cli()
