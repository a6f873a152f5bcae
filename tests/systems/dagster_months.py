"""Materializes the example: the tables without days, then months, all at once.

Runs in an environment that has Dagster.
"""

from __future__ import annotations

import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dagster as dg


def materialize(asset: dg.AssetsDefinition, key: str) -> bool:
    """Return whether a partition was loaded, in the end."""
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([asset], partition_key=key, instance=instance, raise_on_error=False)
        return done.success


if __name__ == "__main__":
    definitions, *months = sys.argv[1:]
    example = runpy.run_path(definitions)
    keys = [dg.MultiPartitionKey({"account": "main", "month": month}) for month in months]
    with ThreadPoolExecutor() as pool:
        loaded = [materialize(example["cobrowser_tables"], "main")]
        loaded += pool.map(partial(materialize, example["cobrowser"]), keys)
    sys.exit(not all(loaded))
