"""How often and how long a step waits for a source that does not answer (spec 1.1)."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from contracts.errors import (
    LoadTimedOutError,
    RetryableError,
    SourceBusyError,
    SourceCircuitOpenError,
)

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 2.0, 60.0
_JITTER = 0.5
ENDS_AT_ONCE = (SourceCircuitOpenError, SourceBusyError, LoadTimedOutError)
"""Transient, but not so soon: waiting was part of them, or is over."""


def with_retries(step: Task[P, R], attempts: int, *, seconds: float) -> Task[P, R]:
    """The step, retried `attempts` times with growing delays, each longer or shorter by chance.

    Only transient failures are retried: a wrong password stays wrong. Nothing is retried for which
    the delays alone would take longer than `seconds`.
    """
    delays = retry_delays(attempts, seconds)
    return step.with_options(
        retries=len(delays),
        retry_delay_seconds=delays,
        retry_jitter_factor=_JITTER,
        retry_condition_fn=_is_transient,
    )


def retry_delays(attempts: int, seconds: float) -> list[float]:
    """Seconds before each retry: doubled up to a minute, and with the jitter within `seconds`."""
    # Prefect takes at most fifty.
    delays = [
        min(_FIRST_DELAY_SECONDS * 2**number, _LONGEST_DELAY_SECONDS)
        for number in range(min(attempts, 50))
    ]
    return [
        delay
        for delay, total in zip(delays, accumulate(delays), strict=True)
        if total * (1 + _JITTER) <= seconds
    ]


def _is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, RetryableError) and not isinstance(error, ENDS_AT_ONCE)
