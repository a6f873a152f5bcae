"""`python -m report PAGE [FIGURES]`: writes the page of charts, from the figures of dbt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from report.page import page


def figures() -> dict[str, object]:
    """Return what the operation `figures` of the dbt project prints.

    Raises:
        SystemExit: If dbt fails; its own output is on standard error by then.
    """
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "run-operation", "figures"]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.stderr.write(done.stdout + done.stderr)
        sys.exit("The figures cannot be read: build the models first, with `dbt build`.")
    found: dict[str, object] = json.loads(lines[-1])
    return found


def main(path: str, source: str | None = None) -> None:
    """Write the page; `source` is a file with the figures, instead of dbt."""
    text = page(json.loads(Path(source).read_text(encoding="utf-8")) if source else figures())
    Path(path).write_text(text, encoding="utf-8")
    print(f"{path}: {len(text) / 1e6:.1f} MB. Open it in a browser; it works offline.")


main(*sys.argv[1:])
