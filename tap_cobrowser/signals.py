"""Ends the process on a second signal even while Python cannot run its signal handlers.

Python runs them between two instructions of the main thread, so not while a library waits, for a
name server for example. The number of a signal is written to a socket at once, where a thread reads
it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

_PATIENCE = 0.3


def end_on_second() -> None:
    """End the process on the second SIGINT or SIGTERM, whatever the main thread waits for."""
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
            time.sleep(_PATIENCE)  # the signal handler ends it earlier if it can run
            os._exit(128 + signum)
        stopping = True
