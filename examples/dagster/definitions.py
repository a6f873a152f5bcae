"""A backfill of years, one `meltano el` per month, on Dagster's workers.

A month of an account is a partition of the asset `cobrowser`. Months share no day, each has its own
state, and the target upserts, so they may run in any order, concurrently, and more than once. The
streams without days are an asset of their own, because months that all load them would collide.
"""

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import dagster as dg

PROJECT = os.environ.get("MELTANO_PROJECT_ROOT", Path(__file__).parent.parent.parent)
ACCOUNTS = dg.StaticPartitionsDefinition(os.environ.get("COBROWSER_ACCOUNTS", "main").split(","))
MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=os.environ.get("COBROWSER_FIRST_MONTH", "2024-01-01"),
    end_offset=1,  # includes the current month
)
WITHOUT_DAYS = ("accounts", "agents", "hosts", "ccc*")
# A stopped run continues after its last window, so a retry costs little. It also helps where two
# months insert the same row at the same moment: a state that lasts from one into the other.
RETRIES = dg.RetryPolicy(max_retries=3, delay=5, jitter=dg.Jitter.PLUS_MINUS)
POOL = "cobrowser"  # its limit bounds the load on the API, see the README


@dg.asset(partitions_def=ACCOUNTS, retry_policy=RETRIES, pool=POOL)
def cobrowser_tables(context: dg.AssetExecutionContext) -> None:
    """The streams without days, such as agents and accounts, of an account."""
    select = [f"--select={stream}" for stream in WITHOUT_DAYS]
    extract(context.partition_key, "tables", select)


@dg.asset(
    partitions_def=dg.MultiPartitionsDefinition({"account": ACCOUNTS, "month": MONTHS}),
    retry_policy=RETRIES,
    pool=POOL,
)
def cobrowser(context: dg.AssetExecutionContext) -> None:
    """The streams with days, for a month of an account."""
    keys = context.partition_key.keys_by_dimension
    month = MONTHS.time_window_for_partition_key(keys["month"])
    days = {
        "TAP_COBROWSER_START_DATE": month.start.date().isoformat(),
        "TAP_COBROWSER_END_DATE": (month.end.date() - timedelta(days=1)).isoformat(),
    }
    exclude = [f"--exclude={stream}" for stream in WITHOUT_DAYS]
    extract(keys["account"], keys["month"], exclude, days)


def extract(
    account: str, part: str, options: list[str], settings: dict[str, str] | None = None
) -> None:
    """Run Meltano for a part of an account's data, with a state of its own."""
    settings = dict(settings or {})
    # Each account may have its own credentials, such as COBROWSER_NORTH_USER for `north`.
    for name in ("USER", "API_KEY"):
        value = os.environ.get(f"COBROWSER_{account.upper()}_{name}")
        if value:
            settings[f"TAP_COBROWSER_{name}"] = value
    # Not `meltano run`: concurrent runs would mix up their catalogs and states. `--force`, because
    # Meltano considers a killed run active for five minutes.
    command = ["meltano", "el", "--force", f"--state-id=cobrowser-{account}-{part}", *options]
    subprocess.run(
        [*command, "tap-cobrowser", "target-postgres"],
        cwd=PROJECT,
        env={**os.environ, **settings},
        check=True,
    )


defs = dg.Definitions(assets=[cobrowser, cobrowser_tables])
