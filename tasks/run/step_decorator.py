"""A step of a load as a Prefect task that announces when it begins and ends.

Steps are never cached and their results never persisted: they pass tables on, and the content of a
table depends on its snapshot, not on a copy of an earlier result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from tasks.run.progress_listeners import announce
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import map_unexpected_errors

P = ParamSpec("P")
R = TypeVar("R")
Figures = Mapping[str, int | float]
"""Counts of a step that are worth showing, by what they count."""
Step = Callable[Concatenate[Run, P], R]


def step(
    name: str, figures: Callable[[R], Figures], *, publishes: bool = False
) -> Callable[[Step[P, R]], Task[Concatenate[Run, P], R]]:
    """Make a function of a run a step called `name`; `figures` picks what is worth showing.

    `publishes` says that something may be published when the step fails.
    """

    def as_task(function: Step[P, R]) -> Task[Concatenate[Run, P], R]:
        @wraps(function)
        def announced(run: Run, *args: P.args, **kwargs: P.kwargs) -> R:
            announce(run.name, name, "begun")
            where = f"{run.name}, step {name}"
            with (
                map_unexpected_errors(where, run.settings.state_directory),
                map_spark_errors(run.name, name, publishes=publishes),
            ):
                result = function(run, *args, **kwargs)
            announce(run.name, name, "done", figures(result))
            return result

        return task(name=name, cache_policy=NO_CACHE, persist_result=False)(announced)

    return as_task
