"""The current flow run in Prefect: its id, and its scheduled start."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from prefect.runtime import flow_run


def this_run(contract: str) -> str:
    """The id of a contract's load in this flow run: the same when the flow run is retried."""
    return run_in(flow_run.get_id(), contract)


def run_in(flow_run_id: str | None, contract: str) -> str:
    """The id of a contract's load in the flow run of that id."""
    return str(uuid5(NAMESPACE_URL, f"{flow_run_id}/{contract}"))


def started() -> datetime:
    """The scheduled start of the flow run: a retry of it names the same batch."""
    start = flow_run.get_scheduled_start_time()
    # Prefect returns a subclass of datetime, which Spark does not accept as a timestamp.
    return datetime.fromtimestamp(start.timestamp(), UTC)
