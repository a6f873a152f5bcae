"""A tap for the same API, written as most SDK taps are. Run as `python -m benchmarks.usual`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams import RESTStream

from benchmarks.answers import KEY, usual_records
from benchmarks.floor import DATE, INTEGERS, NUMBERS, STREAM
from sandbox.world import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests
    from singer_sdk.helpers.types import Context


class Windows(BaseAPIPaginator[int]):
    """Counts the windows down to today's, the first; the SDK takes 0 for an end."""

    def get_next(self, response: requests.Response) -> int | None:  # noqa: ARG002 - the SDK's
        """Return the number of the next window."""
        return self.current_value - 1 or None


def _type(name: str) -> Any:
    if name == DATE:
        return th.DateTimeType
    if name in INTEGERS:
        return th.IntegerType
    return th.NumberType if name in NUMBERS else th.StringType


class Conversations(RESTStream[int]):
    """A stream of one command."""

    name = STREAM
    path = "/csv.php"
    primary_keys = KEY
    replication_key = DATE
    schema = th.PropertiesList(
        *(th.Property(name, _type(name)) for name in TABLES[STREAM])
    ).to_dict()

    @property
    def url_base(self) -> str:
        """Return the address that is set."""
        return str(self.config["address"])

    def get_new_paginator(self) -> Windows:
        """Begin with the oldest window."""
        return Windows(int(self.config["windows"]))  # a text where it is from the environment

    def get_url_params(
        self,
        context: Context | None,  # noqa: ARG002 - the SDK's
        next_page_token: int | None,
    ) -> dict[str, Any]:
        """Request two days."""
        days = 2 * ((next_page_token or 1) - 1)
        return {"c": self.name, "start": days + 1, "stop": days}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """Read the records."""
        yield from usual_records(response.content)


class UsualTap(Tap):
    """A tap of one stream."""

    name = "usual-tap"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("address", th.StringType, required=True),
        th.Property("windows", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Conversations]:
        """Return the stream."""
        return [Conversations(self)]


if __name__ == "__main__":
    UsualTap.cli()
