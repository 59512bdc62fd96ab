"""What Prefect says of the flow run that goes on: its id, and when it was to start."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from prefect.runtime import flow_run


def this_run(contract: str) -> str:
    """The id of a contract's load in this flow run: the same when the flow run is retried."""
    return str(uuid5(NAMESPACE_URL, f"{flow_run.get_id()}/{contract}"))


def started() -> datetime:
    """When the flow run was to start: a retry of it names the same batch."""
    start = flow_run.get_scheduled_start_time()
    # Prefect's is a subclass of datetime, which Spark does not take for a timestamp.
    return datetime.fromtimestamp(start.timestamp(), UTC)
