"""Flow runs that were in progress when their worker ended.

Promise: none of them stays Running on the server's pages, nor keeps the slot of its deployment.
"""

from __future__ import annotations

from collections.abc import Collection

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

__all__ = ["mark_interrupted_runs"]

_IN_PROGRESS = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_PAGE = 200


def mark_interrupted_runs(client: SyncPrefectClient, pools: Collection[str]) -> list[str]:
    """Mark each run in progress in these pools, whose workers have ended, as crashed.

    Returns:
        The names of the runs.
    """
    runs = client.read_flow_runs(
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=sorted(pools))),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_IN_PROGRESS))
        ),
        limit=_PAGE,
    )
    for run in runs:
        client.set_flow_run_state(run.id, Crashed(message="Its worker ended with the local stack."))
    return [run.name for run in runs]
