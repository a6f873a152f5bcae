"""Where the process begins: nothing that takes time or can fail is imported before this runs."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> None:
    """Run the tap's command line, and end in one line even if it cannot be imported."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    try:
        from tap_cobrowser.tap import TapCobrowser  # noqa: PLC0415 - see above
    except Exception as error:
        if "DEBUG" in {os.environ.get(name, "").upper() for name in _LEVELS}:
            raise
        sys.exit(
            f"tap-cobrowser cannot start ({type(error).__name__}: {' '.join(str(error).split())}). "
            f"Install it again, in an environment of its own; with {_LEVELS[0]}=DEBUG there is a "
            "traceback."
        )
    TapCobrowser.cli()


_LEVELS = ("TAP_COBROWSER_LOGLEVEL", "LOGLEVEL")


def _stop(signum: int, _: object) -> NoReturn:
    """End at once: nothing was written yet."""
    with suppress(OSError):
        os.write(2, f"Stopped by {signal.Signals(signum).name} while starting.\n".encode())
    os._exit(128 + signum)
