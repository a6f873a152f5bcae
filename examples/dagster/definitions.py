"""A backfill of years, one `meltano el` per month, on Dagster's workers.

A month of an account is a partition of the asset `cobrowser`. Months share no day, each has its own
state, and the target upserts, so they may run in any order, concurrently, and more than once.
"""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import dagster as dg

PROJECT = os.environ.get("MELTANO_PROJECT_ROOT", Path(__file__).parent.parent.parent)
ACCOUNTS = os.environ.get("COBROWSER_ACCOUNTS", "main").split(",")
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=os.environ.get("COBROWSER_FIRST_MONTH", "2024-01-01"),
    end_offset=1,  # includes the current month
)


@dg.asset(
    partitions_def=dg.MultiPartitionsDefinition(
        {"account": dg.StaticPartitionsDefinition(ACCOUNTS), "month": MONTHS}
    ),
    # A stopped month continues after its last window, so a retry costs little.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=5, jitter=dg.Jitter.PLUS_MINUS),
    pool="cobrowser",  # its limit bounds the load on the API, see the README
)
def cobrowser(context: dg.AssetExecutionContext) -> None:
    """All streams of CoBrowser.net for a month of an account."""
    keys = context.partition_key.keys_by_dimension
    month = MONTHS.time_window_for_partition_key(keys["month"])
    settings = {
        "TAP_COBROWSER_START_DATE": month.start.date().isoformat(),
        "TAP_COBROWSER_END_DATE": (month.end.date() - timedelta(days=1)).isoformat(),
    }
    # Each account may have its own credentials, such as COBROWSER_NORTH_USER for `north`.
    for name in ("USER", "API_KEY"):
        value = os.environ.get(f"COBROWSER_{keys['account'].upper()}_{name}")
        if value:
            settings[f"TAP_COBROWSER_{name}"] = value
    state = f"cobrowser-{keys['account']}-{keys['month']}"
    subprocess.run(
        # Not `meltano run`: concurrent runs would mix up their catalogs and states. `--force`,
        # because Meltano considers a killed run active for five minutes.
        ["meltano", "el", "--force", f"--state-id={state}", "tap-cobrowser", "target-postgres"],
        cwd=PROJECT,
        env={**os.environ, **settings},
        check=True,
    )


defs = dg.Definitions(assets=[cobrowser])
