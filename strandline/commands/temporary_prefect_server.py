"""Prefect's temporary server, kept alive while an interrupted run reports to it.

Ctrl-C reaches every process of the terminal. A server that ends at once leaves the run waiting,
for minutes, to report that it was interrupted; so the server starts with Ctrl-C blocked and ends,
as always, when this process ends.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE


def start_temporary_server() -> None:
    """Start the server that Prefect would start by itself; nothing if one is configured."""
    if PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        return
    # In a thread of its own: a child inherits the signals that its parent's thread blocks, and
    # meanwhile Ctrl-C still reaches the main thread.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(_start).result()


def _start() -> None:
    # If a permanent server used this database too, its automations would act, or half act, until
    # this process ends. Runs without a permanent server alert by a hook.
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED", "false")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    SubprocessASGIServer().start()
