"""How often and how long a step waits for a source that does not answer (spec 1.1)."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from contracts.errors import RetryableError

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_DELAY_SECONDS = 2


def with_retries(step: Task[P, R], attempts: int) -> Task[P, R]:
    """The step, retried `attempts` times with growing delays.

    Only transient failures are retried: a wrong password stays wrong.
    """
    return step.with_options(
        retries=attempts,
        retry_delay_seconds=exponential_backoff(_FIRST_DELAY_SECONDS),
        retry_jitter_factor=0.2,
        retry_condition_fn=_is_transient,
    )


def _is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = state.result(raise_on_failure=False)
    return isinstance(error, RetryableError)
