"""The SDK's own suite for taps, over all streams, and the catalog that users get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from sandbox import Sandbox, World
from tap_cobrowser.tap import TapCobrowser
from tests.expected import NOW, STREAMS, days_ago

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.assertion import SnapshotAssertion

# Bound at once, since the SDK's suite wants its settings on import.
_SANDBOX = Sandbox(World(rows_per_day=30), clock=NOW, frozen=True)


# Of the session, not of the module: tests that run on several cores come in any order.
@pytest.fixture(autouse=True, scope="session")
def _serve() -> Iterator[None]:
    with _SANDBOX:
        yield


TestTapCobrowser = get_tap_test_class(
    TapCobrowser,
    config={
        "user": _SANDBOX.user,
        "api_key": _SANDBOX.api_key,
        "api_url": _SANDBOX.url,
        "ccc_agent": True,
        "start_date": days_ago(8).isoformat(),
    },
    suite_config=SuiteConfig(max_records_limit=None),
)


def test_the_catalog_is_the_reviewed_one(snapshot: SnapshotAssertion) -> None:
    tap = TapCobrowser(config={"ccc_agent": True}, validate_config=False)
    assert json.dumps(tap.catalog_dict, indent=1, ensure_ascii=False) == snapshot


@pytest.mark.parametrize("name", STREAMS)
def test_every_column_is_described(name: str) -> None:
    properties: dict[str, Any] = STREAMS[name].schema["properties"]
    descriptions = [definition.get("description", "") for definition in properties.values()]
    assert all(text.endswith((".", ")")) for text in descriptions)
