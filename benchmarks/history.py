"""Writes a file with the rows of as many windows as it takes, for `history_files`.

Run as `python -m benchmarks.history FILE MEGABYTES`, so that the benchmark itself stays small;
prints the number of rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.answers import conversations, earlier

_ROWS_AT_ONCE = 10_000


def main(path: Path, megabytes: int) -> None:
    """Write it."""
    header, rows = conversations(0, _ROWS_AT_ONCE).split(b"\r\n", 1)
    windows = 0
    with path.open("wb") as file:
        file.write(header + b"\r\n")
        while file.tell() < megabytes * 10**6:
            window = earlier(rows, 2 * windows)
            # other keys
            file.write(window.replace(b'"000000', b'"%06d' % windows))
            windows += 1
    print(windows * _ROWS_AT_ONCE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
