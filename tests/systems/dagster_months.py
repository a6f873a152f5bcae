"""Materializes months of the example, all at once. Runs in an environment that has Dagster."""

from __future__ import annotations

import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dagster as dg


def materialize(asset: dg.AssetsDefinition, month: str) -> bool:
    """Return whether a month was loaded, in the end."""
    key = dg.MultiPartitionKey({"account": "main", "month": month})
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([asset], partition_key=key, instance=instance, raise_on_error=False)
        return done.success


if __name__ == "__main__":
    definitions, *months = sys.argv[1:]
    asset = runpy.run_path(definitions)["cobrowser"]
    with ThreadPoolExecutor() as pool:
        sys.exit(not all(pool.map(partial(materialize, asset), months)))
