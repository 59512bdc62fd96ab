"""Telling a receiver when a run began and how it ended, as OpenLineage's run events.

Promise: a receiver that is slow, broken or gone fails no run: what could not be sent is a line in
the run's log. Nothing is made or sent without a receiver in the run settings. No event has a value
of a row, a key or a credential.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.event_v2 import Run as LineageRun
from openlineage.client.generated.base import JobFacet, RunFacet
from openlineage.client.generated.documentation_job import DocumentationJobFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.ownership_job import Owner, OwnershipJobFacet
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from prefect.context import FlowRunContext
from prefect.logging import get_logger

from contracts.errors import StrandlineError
from contracts.model import Contract
from history.iceberg.current_snapshot import BATCH_ID, current_state
from history.iceberg.history_table import exists
from history.model.load_report import REPORT
from tasks.observability.open_lineage.dataset_facets import source_dataset, target_dataset
from tasks.run.run_context import Run

PRODUCER = f"urn:strandline:{version('strandline')}"
"""Identifies us, as the specification asks of a producer: a URI, which nobody has to serve."""

_WITHOUT_A_FLOW = "load-table"

# Of the facets; the package would name itself.
set_producer(PRODUCER)


@contextmanager
def told_as_lineage(run: Run, contract: Contract) -> Iterator[None]:
    """Tell that the run began, and how the body ended; an error of the body goes on."""
    if run.settings.open_lineage is None:
        yield
        return
    _tell(run, contract, RunState.START)
    try:
        yield
    except StrandlineError as error:
        _tell(run, contract, RunState.FAIL, error=error)
        raise
    except BaseException:
        # Interrupted, or cancelled by Prefect.
        _tell(run, contract, RunState.ABORT)
        raise
    _tell(run, contract, RunState.COMPLETE)


def run_event(
    run: Run,
    contract: Contract,
    state: RunState,
    *,
    namespace: str,
    at: datetime,
    error: StrandlineError | None = None,
    outputs: tuple[OutputDataset, ...] = (),
) -> RunEvent:
    """One event of a run.

    Args:
        run: The run.
        contract: What it loads.
        state: What is told of it.
        namespace: That of the jobs.
        at: When it happened; timezone-aware.
        error: Why it failed.
        outputs: What it wrote.
    """
    engine = ProcessingEngineRunFacet(version=run.spark.version, name="Spark")
    facets: dict[str, RunFacet] = {"processing_engine": engine}
    if error is not None:
        message = f"{type(error).__name__}: expected {error.expected}; found {error.found}"
        facets["errorMessage"] = ErrorMessageRunFacet(message=message, programmingLanguage="Python")
    about: dict[str, JobFacet] = {
        "jobType": JobTypeJobFacet(
            processingType="BATCH", integration="STRANDLINE", jobType="LOAD"
        ),
        "documentation": DocumentationJobFacet(description=contract.description.strip()),
        "ownership": OwnershipJobFacet(owners=[Owner(name=contract.owner, type="OWNER")]),
    }
    inputs: list[InputDataset] = [source_dataset(contract, run.source)]
    return RunEvent(
        eventTime=at.isoformat(),
        eventType=state,
        run=LineageRun(runId=_run_id(run), facets=facets),
        job=Job(namespace=namespace, name=f"{_flow()}.{contract.name}", facets=about),
        inputs=inputs,
        outputs=[*outputs],
        producer=PRODUCER,
    )


def _tell(
    run: Run, contract: Contract, state: RunState, *, error: StrandlineError | None = None
) -> None:
    receiver = run.settings.open_lineage
    if receiver is None:
        return
    try:
        event = run_event(
            run,
            contract,
            state,
            namespace=receiver.namespace,
            at=datetime.now(UTC),
            error=error,
            outputs=_written(run, contract) if state is RunState.COMPLETE else (),
        )
        OpenLineageClient(transport=receiver.transport()).emit(event)
    except Exception as problem:  # noqa: BLE001 - a load must not fail for its lineage
        # Its text may have the receiver's address with what is in it.
        get_logger("strandline").warning(
            "%s: OpenLineage's %s of run %s was not sent: %s",
            contract.name,
            state.value,
            run.run_id,
            type(problem).__name__,
        )


def _written(run: Run, contract: Contract) -> tuple[OutputDataset, ...]:
    """The history, if the run published a state of it: then that is the newest one."""
    state = current_state(run.spark, run.target) if exists(run.spark, run.target) else None
    if state is None or state.properties.get(BATCH_ID) != run.batch_id:
        return ()
    opened = json.loads(state.properties.get(REPORT, "{}")).get("opened")
    described = run.spark.sql(f"DESCRIBE TABLE EXTENDED {run.target}")
    (place,) = described.where("col_name = 'Location'").collect()
    return (
        target_dataset(
            contract,
            run.source,
            run.settings,
            location=str(place.data_type),
            snapshot_id=state.snapshot_id,
            opened=opened,
        ),
    )


def _flow() -> str:
    context = FlowRunContext.get()
    return _WITHOUT_A_FLOW if context is None or context.flow is None else context.flow.name


def _run_id(run: Run) -> str:
    """The flow run's id, a UUID as the specification wants one."""
    try:
        return str(uuid.UUID(run.run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER}/{run.run_id}"))
