"""`python -m report PAGE`: writes the page of charts, in the environment of dbt."""

from __future__ import annotations

import argparse
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from report.page import page


class Dbt:
    """Runs dbt in this process: most of the time of a short run is spent on imports and parsing."""

    def __init__(self) -> None:
        """Parse the project."""
        from dbt.cli.main import dbtRunner  # noqa: PLC0415 - not needed with --figures

        self._new_runner = dbtRunner
        self._manifest = None
        self._manifest = self.run("--quiet", "parse")

    def run(self, *arguments: str) -> Any:
        """Run a command, and return its result.

        Raises:
            SystemExit: If it fails.
        """
        done = self._new_runner(manifest=self._manifest).invoke([*arguments])
        if not done.success:
            sys.exit(f"The page is not drawn, because `dbt {' '.join(arguments)}` has failed.")
        return done.result

    def figures(self) -> dict[str, Any]:
        """Return the figures of the models."""
        printed = io.StringIO()
        with redirect_stdout(printed):
            self.run("--quiet", "run-operation", "cobrowser.figures")
        found: dict[str, Any] = json.loads(printed.getvalue().splitlines()[-1])
        return found


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m report", description=__doc__)
    parser.add_argument("page", type=Path, metavar="PAGE", help="path of the page")
    parser.add_argument(
        "--build", action="store_true", help="check freshness, build and test the models first"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="JSON file with the figures, instead of dbt"
    )
    options = parser.parse_args()
    if options.figures:
        figures = json.loads(options.figures.read_text(encoding="utf-8"))
    else:
        dbt = Dbt()
        if options.build:
            dbt.run("source", "freshness")
            dbt.run("build")
        figures = dbt.figures()
    text = page(figures)
    options.page.write_text(text, encoding="utf-8")
    print(f"{options.page}: {len(text) / 1e6:.1f} MB. Open it in a browser; it works offline.")


main()
