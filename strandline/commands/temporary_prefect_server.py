"""Prefect's temporary server, kept alive while an interrupted run reports to it.

Ctrl-C reaches every process of the terminal. A server that ends at once leaves the run waiting,
for minutes, to report that it was interrupted; so the server starts with Ctrl-C blocked and ends,
as always, when this process ends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

__all__ = ["start_temporary_server", "temporary_server"]


@contextmanager
def temporary_server(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Run the body with the server that Prefect would start by itself, if none is configured.

    Args:
        meanwhile: Starts what else the body needs, while the server starts. It must leave errors
            to the body, which meets them again.
    """
    if _is_configured():
        yield
        return
    # In a thread of its own: a child inherits the signals that its parent's thread blocks, and
    # meanwhile Ctrl-C still reaches the main thread.
    with ThreadPoolExecutor(max_workers=1) as thread:
        started = thread.submit(_start)
        meanwhile()
        started.result()
    # Nobody looks at this server for runs that fell silent, and each flow would end on the next
    # whole second, when the thread that sends its heartbeat looks up again.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def start_temporary_server() -> None:
    """Start the server that Prefect would start by itself; nothing if one is configured."""
    with temporary_server():
        pass


def _is_configured() -> bool:
    return bool(PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value())


def _start() -> None:
    # If a permanent server used this database too, its automations would act, or half act, until
    # this process ends. Runs without a permanent server alert by a hook.
    os.environ.setdefault("PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED", "false")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    SubprocessASGIServer().start()
