"""The entry points. They import the rest themselves, so that its errors end in one line, too."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

_LEVELS = ("TAP_COBROWSER_LOGLEVEL", "LOGLEVEL")


def main() -> None:
    """Run the tap's command line."""
    _module("tap_cobrowser.tap").TapCobrowser.cli()


def doctor() -> None:
    """Run the doctor's command line."""
    _module("tap_cobrowser.doctor.cli").main()


def _module(name: str) -> Any:
    """Import a module; if this fails, or a signal arrives, end with one line."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    try:
        return import_module(name)
    except Exception as error:
        if "DEBUG" in {os.environ.get(level, "").upper() for level in _LEVELS}:
            raise
        sys.exit(
            f"tap-cobrowser cannot start ({type(error).__name__}: {' '.join(str(error).split())}). "
            f"Install it again in a new environment. {_LEVELS[0]}=DEBUG prints the traceback."
        )


def _stop(signum: int, _: object) -> NoReturn:
    """End at once: nothing was written yet."""
    with suppress(OSError):
        os.write(2, f"Stopped by {signal.Signals(signum).name} while starting.\n".encode())
    os._exit(128 + signum)
