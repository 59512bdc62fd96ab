"""Python imports this by itself when a flow's process starts, as its folder is on the path.

Promise: a flow that received SIGTERM has ended some seconds later. Prefect raises an
exception for the signal, and where that interrupts a call to Spark, the next call waits for an
answer that was meant for the first: the process would go on until Spark's job ends.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_SECONDS_TO_END = 3.0
_ENGINES = ("prefect.engine", "_workspace_runtime_bootstrap.py")


def _watch_for_sigterm() -> None:
    """Read signals from the pipe to which Python writes each one that it handles."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_end, args=(reading,), name="end", daemon=True).start()


def _end(reading: int) -> None:
    while signal.SIGTERM not in os.read(reading, 1):
        pass
    time.sleep(_SECONDS_TO_END)  # most flows end by themselves, and report it to the server
    os._exit(128 + signal.SIGTERM)


def _import_hidden() -> None:
    """Import the module of this name that this one hides, if there is one."""
    this, folder = sys.modules[__name__], str(Path(__file__).parent)
    paths = list(sys.path)
    sys.path[:] = [path for path in paths if path != folder]
    del sys.modules[__name__]
    try:
        with suppress(ImportError):
            importlib.import_module(__name__)
    finally:
        sys.path[:] = paths
        sys.modules.setdefault(__name__, this)


if __name__ == "sitecustomize":
    if any(word.endswith(_ENGINES) for word in sys.orig_argv):
        _watch_for_sigterm()
    _import_hidden()
