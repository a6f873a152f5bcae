"""What all workers of a session of tests share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first worker makes while the others wait.

    Args:
        folder: Where it is made.
        make: Makes its content.
    """
    done, failed = (folder.with_name(f"{folder.name}.{word}") for word in ("done", "failed"))
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 300
        while not done.exists():
            assert not failed.exists(), f"another worker could not make {folder.name}"
            assert time.monotonic() < deadline, f"another worker has not made {folder.name}"
            time.sleep(0.05)
        return folder
    try:
        make(folder)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return folder


class Roll:
    """The workers that run tests now, each with a file."""

    def __init__(self, folder: Path, worker: str) -> None:
        """Enter a worker."""
        self._folder = folder
        self._own = folder / worker
        folder.mkdir(exist_ok=True)
        self._own.touch()

    def leave(self) -> bool:
        """Take the worker off the roll; return whether it was the last one."""
        self._own.unlink()
        return not any(self._folder.iterdir())
