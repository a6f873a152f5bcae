"""Runs a tap, alone or into a target, and measures it. For systems with `os.wait4`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COUNT_LINES = r"""
import sys
lines = 0
while block := sys.stdin.buffer.read1(1 << 16):
    lines += block.count(b"\n")
print(lines)
"""
SINK = (sys.executable, "-c", _COUNT_LINES)
_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10  # of what ru_maxrss counts


@dataclass(frozen=True)
class Usage:
    """The resources that a run used.

    Attributes:
        wall: Seconds from its start to the end of whatever reads it.
        cpu: Seconds of CPU, in user and system, of the tap.
        peak: Largest resident memory of the tap, in MB.
        target_cpu: Seconds of CPU of what reads the tap.
        said: What the reader printed.
    """

    wall: float
    cpu: float
    peak: float
    target_cpu: float
    said: str


def measure(
    command: Sequence[str], target: Sequence[str] = SINK, settings: Mapping[str, str] | None = None
) -> Usage:
    """Run a command whose standard output is read by another process, as in use.

    Args:
        command: The command of the tap.
        target: The command of what reads it.
        settings: Environment variables to set for both.

    Raises:
        SystemExit: If one of them fails.
    """
    # Many containers set both. The first makes each print a separate write, the second makes each
    # start compile all modules.
    unwanted = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= settings or {}
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        reader = subprocess.Popen(
            target, stdin=subprocess.PIPE, stdout=said, stderr=errors, env=environment
        )
        assert reader.stdin
        tap = subprocess.Popen(command, stdout=reader.stdin, stderr=errors, env=environment)
        reader.stdin.close()
        cpu, peak = _wait(tap)
        target_cpu, _ = _wait(reader)
        wall = time.perf_counter() - begun
        if tap.returncode or reader.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} | {' '.join(target)} failed:\n{errors.read()[-2000:]}")
        said.seek(0)
        return Usage(wall, cpu, peak, target_cpu, said.read())


def _wait(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Return CPU and peak memory, which is at least that of this process, a small one."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _MEGABYTE
