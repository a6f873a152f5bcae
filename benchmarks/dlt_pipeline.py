"""dlt with the same source: typed records, two days per request, four concurrent requests.

Run as `python -m benchmarks.dlt_pipeline ADDRESS WINDOWS FOLDER extract|duckdb|postgres [URL]`:
`extract` ends where a tap's work ends, with records that are ready to load.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import dlt
import requests

from benchmarks.answers import KEY, usual_records
from benchmarks.floor import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.typing import TDataItems


def main(address: str, windows: str, folder: str, end: str, url: str = "") -> None:
    """Extract, and load into DuckDB or PostgreSQL if that is the end."""
    session = requests.Session()

    @dlt.defer
    def fetch(window: int) -> TDataItems:
        query: dict[str, str | int] = {"c": STREAM, "start": 2 * window + 1, "stop": 2 * window}
        answer = session.get(f"{address}/csv.php", params=query, timeout=60)
        return list(usual_records(answer.content))

    @dlt.resource(name=STREAM, primary_key=KEY, write_disposition="merge")
    def rows() -> Iterator[Any]:
        for window in range(int(windows) - 1, -1, -1):
            yield fetch(window)

    pipeline = dlt.pipeline(
        "cobrowser",
        pipelines_dir=folder,
        destination=(
            dlt.destinations.postgres(_with_host(url))
            if end == "postgres"
            else dlt.destinations.duckdb(f"{folder}/dlt.duckdb")
        ),
        # a schema of its own for each run, so that all of them load into nothing
        dataset_name=f"dlt_{uuid4().hex[:8]}",
    )
    if end == "extract":
        pipeline.extract(rows())
    else:
        # dlt's fastest format for each: PostgreSQL takes no parquet
        pipeline.run(rows(), loader_file_format="csv" if end == "postgres" else "parquet")


def _with_host(url: str) -> str:
    """Return an address with the socket as its host, and a password: dlt wants both."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host")
    if not folder:
        return url
    return f"postgresql://{parts.username}:any@{quote(folder[0], safe='')}{parts.path}"


if __name__ == "__main__":
    main(*sys.argv[1:])
