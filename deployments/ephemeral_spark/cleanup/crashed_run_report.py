"""Cancels the job run and ends the flow run of a worker that no longer runs.

`python -m deployments.ephemeral_spark.cleanup.crashed_run_report` reads the run from its standard
input, a JSON object with `flow_run` (its id) and perhaps `job` and `access`. It ends with status 0
when all of it was done, and may be run again when it was not.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from deployments.ephemeral_spark.clusters.emr_serverless_api import Access, EmrServerlessApi

__all__ = ["MESSAGE", "main", "report_crashed_run"]

MESSAGE = "The worker of this run ended before the run did; its Spark cluster was ended too."


def report_crashed_run(client: SyncPrefectClient, flow_run: UUID) -> None:
    """Give a flow run that no process runs any more a final state.

    A run that was never claimed stays scheduled, for another worker; a run that has a final state
    keeps it.
    """
    try:
        state = client.read_flow_run(flow_run).state
    except ObjectNotFound:
        return
    if state is None or state.is_final() or state.is_scheduled():
        return
    ending: State[Any] = Crashed(message=MESSAGE)
    if state.is_cancelling():
        ending = Cancelled(message="Cancelled; the worker of this run had ended.")
    # By force only from Cancelling, which the server's rules don't let end in one step.
    client.set_flow_run_state(flow_run, ending, force=state.is_cancelling())


def main() -> None:
    """Report the run that standard input names."""
    request = json.load(sys.stdin)
    if request.get("job"):
        EmrServerlessApi(Access.read(request.get("access") or {})).cancel(request["job"])
    with get_client(sync_client=True) as client:
        report_crashed_run(client, UUID(request["flow_run"]))


if __name__ == "__main__":
    main()
