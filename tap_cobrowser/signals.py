"""Signals where Python does not get to handle them: while the main thread waits inside a library.

Python runs its handlers between two steps of its own, so not before a name server responds, say.
But the number of each signal is written to a socket at once, and another thread can read it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

_PATIENCE = 0.3


def end_on_second() -> None:
    """Have a second SIGINT or SIGTERM end the process, whatever the main thread waits for."""
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # noqa: FBT003 - its only parameter
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True).start()


def _watch(signals: socket.socket) -> None:
    stopping = False
    while received := signals.recv(1):
        signum = received[0]
        if signum not in {signal.SIGINT, signal.SIGTERM}:
            continue
        if stopping:
            time.sleep(_PATIENCE)  # a handler ends it sooner, where it can
            os._exit(128 + signum)
        stopping = True
