"""Prefect's temporary server, kept alive while an interrupted run reports to it.

Ctrl-C reaches every process of the terminal. A server that ends at once leaves the run waiting,
for minutes, to report that it was interrupted; so the server starts with Ctrl-C blocked and ends
when this process does, also if that is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from blocks.operating_system.end_with_process import end_with_this_process
from contracts.errors import EnvironmentUnfitError

__all__ = ["start_temporary_server", "temporary_server"]

_ANSWER_SECONDS, _POLL_SECONDS = 10.0, 0.2

_WAITING: list[subprocess.Popen[bytes]] = []
"""Whoever ends the server after this process: its pipe is open for as long as this list lives."""


class _EndingServer(SubprocessASGIServer):
    """Prefect's server, which ends with this process from its first moment on.

    Prefect's client finds it as if Prefect had started it: there is one for each port.
    """

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        process = super()._run_uvicorn_command()
        with suppress(psutil.NoSuchProcess):
            _WAITING.append(end_with_this_process(process.pid))
        return process


@contextmanager
def temporary_server(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Run the body with the server that Prefect would start by itself, if none is configured.

    Args:
        meanwhile: Starts what else the body needs, while the server starts. It must leave errors
            to the body, which meets them again.

    Raises:
        EnvironmentUnfitError: The server does not answer in time; it is ended.
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
    server = _EndingServer()
    deadline = time.monotonic() + PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    try:
        server.start()
    except httpx.TransportError:
        # It listens, and is too busy to answer within the few seconds that Prefect gives it.
        server.running = _answers(server, deadline)
    except RuntimeError:
        server.running = False
    if not server.running:
        server.stop()
        raise _unfit()


def _answers(server: SubprocessASGIServer, deadline: float) -> bool:
    """Whether it answers by then."""
    while time.monotonic() < deadline:
        process = server.server_process
        if process is None or process.poll() is not None:
            return False
        with suppress(httpx.TransportError):
            if httpx.get(f"{server.api_url}/health", timeout=_ANSWER_SECONDS).is_success:
                return True
        time.sleep(_POLL_SECONDS)
    return False


def _unfit() -> EnvironmentUnfitError:
    seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS
    return EnvironmentUnfitError(
        where="Prefect's temporary server",
        expected=f"a server that answers within {seconds.value():.0f} s",
        found="none; it was ended",
        next_step="Run it again. On a slow machine, give it more time "
        f"({seconds.name}=900), or keep a server: strandline up",
    )
