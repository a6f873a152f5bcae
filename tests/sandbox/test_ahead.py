"""Requests in flight against a server: bounds, and back-pressure by the target."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox, World
from tests.expected import NOW
from tests.outputs import Output, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("most", [1, 3])
def test_the_server_never_has_more_requests_than_the_setting_allows_and_has_that_many(
    config: dict[str, Any], most: int
) -> None:
    with Sandbox(World(rows_per_day=30), clock=NOW, frozen=True, latency=0.05) as sandbox:
        config |= {"api_url": sandbox.url, "max_concurrent_requests": most}
        run(config)
        assert max(request.in_flight for request in sandbox.requests) == most


def test_a_target_that_stops_reading_stops_the_fetching(
    config: dict[str, Any], tmp_path: Path
) -> None:
    with Sandbox(World(rows_per_day=30)) as sandbox:  # by the machine's clock: nothing asked twice
        config |= {
            "api_url": sandbox.url,
            "start_date": (sandbox.now().date() - timedelta(days=60)).isoformat(),
            "max_concurrent_requests": 3,
        }
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        words = [sys.executable, "-m", "tap_cobrowser", "--config", str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
            assert tap.stdout
            stuck = -1
            while len(sandbox.requests) > stuck or not stuck:  # until it stands still
                stuck = len(sandbox.requests)
                threading.Event().wait(2)
            rest = Output.of(tap.stdout.read().decode())
        # A pipe holds 64 KiB. What was asked for beyond that is being written, in flight or read.
        written = rest.text.encode()[: 2**16].count(b'"STATE"')
        assert stuck <= written + 1 + 3 + 1
        assert len(sandbox.requests) > stuck
    assert tap.returncode == 0
