"""Rounds of timed calls, interleaved in one process, so that a disturbance affects all alike."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from prefect.logging.handlers import APILogWorker
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.overhead.place import Place
from benchmarks.overhead.results import STARTING, Seconds
from benchmarks.overhead.subjects import BARE, FLOWS
from deployments.local_stack.prefect_api_health import as_client

__all__ = ["measure"]

Say = Callable[[str], None]


def measure(place: Place, rounds: int, say: Say) -> Seconds:
    """Time every subject in every case, once a round; the first round warms up.

    Returns:
        Seconds by subject and case, the warm-up first.
    """
    seconds: Seconds = defaultdict(list)
    for number in range(rounds + 1):
        _timed(seconds, "functions", BARE)
        with as_client(place.stack, place.port):
            _timed(seconds, "flow, server", FLOWS)
        with _no_server():
            temporary = SubprocessASGIServer()
            began = time.perf_counter()
            temporary.start()
            seconds[STARTING].append(time.perf_counter() - began)
            try:
                _timed(seconds, "flow, temporary server", FLOWS)
            finally:
                temporary.stop()
        say(f"round {number} of {rounds}" + (" (warm-up)" if number == 0 else ""))
    return seconds


def _timed(seconds: Seconds, subject: str, cases: Mapping[str, Callable[[], object]]) -> None:
    for case, call in cases.items():
        began = time.perf_counter()
        call()
        seconds[subject, case].append(time.perf_counter() - began)
    # Log lines are sent later; their server may have stopped by then.
    APILogWorker.drain_all(timeout=5)


def _no_server() -> AbstractContextManager[object]:
    return temporary_settings(restore_defaults={PREFECT_API_URL})
