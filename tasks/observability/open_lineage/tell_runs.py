"""Telling a receiver when a run began and how it ended, as OpenLineage's run events.

Promise: a receiver that is slow, broken or gone fails no run: what could not be sent is a line in
the run's log. Nothing is made or sent without a receiver in the run settings. No event has a value
of a row, a key or a credential.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from contracts.errors import StrandlineError
from contracts.model import Contract
from history.iceberg.current_snapshot import BATCH_ID, CurrentState
from history.iceberg.history_table import find_state
from history.model.load_report import REPORT
from tasks.observability.open_lineage.dataset_facets import (
    changed_dataset,
    known_dataset,
    source_dataset,
    target_dataset,
)
from tasks.run.run_context import Run

__all__ = ["PRODUCER", "TableChange", "change_told_as_lineage", "told_as_lineage"]

PRODUCER = f"urn:strandline:{version('strandline')}"
"""Identifies us, as the specification asks of a producer: a URI, which nobody has to serve."""

# Of the facets; the package would name itself.
set_producer(PRODUCER)


@dataclass(frozen=True, slots=True)
class TableChange:
    """A change of a published history that reads no source.

    Attributes:
        spark: The session to read the table's state with.
        settings: Where the table lies, and who is told.
        contract: What the table promises.
        run_id: The run that changes it.
        job: The job's name where no flow runs, such as `erase-subjects`.
        kind: The type of the job, such as `ERASURE`.
    """

    spark: SparkSession
    settings: RunSettings
    contract: Contract
    run_id: str
    job: str
    kind: str

    @property
    def target(self) -> str:
        """The table's full name in Spark."""
        return f"{self.settings.lakehouse.catalog}.{self.contract.target}"


Datasets = tuple[list[InputDataset], list[OutputDataset]]
"""What a run reads and what it has written."""


@contextmanager
def told_as_lineage(run: Run, contract: Contract) -> Iterator[None]:
    """Tell that a load began, and how the body ended; an error of the body goes on."""

    def datasets(state: RunState) -> Datasets:
        written = _written(run, contract) if state is RunState.COMPLETE else []
        return [source_dataset(contract, run.source)], written

    change = TableChange(run.spark, run.settings, contract, run.run_id, "load-table", "LOAD")
    with _told(change, datasets):
        yield


@contextmanager
def change_told_as_lineage(change: TableChange) -> Iterator[None]:
    """Tell that a change of a history began, and how the body ended; an error goes on.

    The history is what the run reads, and what it wrote if the body has published a state of it.
    """
    before: CurrentState | None = None

    def datasets(state: RunState) -> Datasets:
        nonlocal before
        if state is RunState.START:
            before = find_state(change.spark, change.target)
        now = find_state(change.spark, change.target) if state is RunState.COMPLETE else None
        if before is None:
            return [], []
        contract, location = change.contract, _location(change.spark, change.target)
        read = [known_dataset(contract, location, before.snapshot_id)]
        if now is None or now.snapshot_id == before.snapshot_id:
            return read, []
        return read, [
            changed_dataset(
                contract, change.settings, location=location, snapshot_id=now.snapshot_id
            )
        ]

    with _told(change, datasets):
        yield


@contextmanager
def _told(change: TableChange, datasets: Callable[[RunState], Datasets]) -> Iterator[None]:
    if change.settings.open_lineage is None:
        yield
        return
    _tell(change, datasets, RunState.START)
    try:
        yield
    except StrandlineError as error:
        _tell(change, datasets, RunState.FAIL, error=error)
        raise
    except Exception:
        # Not one of ours yet: its text may have a value.
        _tell(change, datasets, RunState.FAIL)
        raise
    except BaseException:
        # Interrupted, or cancelled by Prefect.
        _tell(change, datasets, RunState.ABORT)
        raise
    _tell(change, datasets, RunState.COMPLETE)


def _tell(
    change: TableChange,
    datasets: Callable[[RunState], Datasets],
    state: RunState,
    *,
    error: StrandlineError | None = None,
) -> None:
    receiver = change.settings.open_lineage
    if receiver is None:
        return
    try:
        event = _run_event(change, state, datasets(state), receiver.namespace, error)
        OpenLineageClient(transport=receiver.transport()).emit(event)
    except Exception as problem:  # noqa: BLE001 - a run must not fail for its lineage
        # Its text may have the receiver's address with what is in it.
        get_logger("strandline").warning(
            "%s: OpenLineage's %s of run %s was not sent: %s",
            change.contract.name,
            state.value,
            change.run_id,
            type(problem).__name__,
        )


def _run_event(
    change: TableChange,
    state: RunState,
    datasets: Datasets,
    namespace: str,
    error: StrandlineError | None,
) -> RunEvent:
    contract = change.contract
    engine = ProcessingEngineRunFacet(version=change.spark.version, name="Spark")
    facets: dict[str, RunFacet] = {"processing_engine": engine}
    if error is not None:
        message = f"{type(error).__name__}: expected {error.expected}; found {error.found}"
        facets["errorMessage"] = ErrorMessageRunFacet(message=message, programmingLanguage="Python")
    about: dict[str, JobFacet] = {
        "jobType": JobTypeJobFacet(
            processingType="BATCH", integration="STRANDLINE", jobType=change.kind
        ),
        "documentation": DocumentationJobFacet(description=contract.description.strip()),
        "ownership": OwnershipJobFacet(owners=[Owner(name=contract.owner, type="OWNER")]),
    }
    inputs, outputs = datasets
    return RunEvent(
        eventTime=datetime.now(UTC).isoformat(),
        eventType=state,
        run=LineageRun(runId=_run_id(change.run_id), facets=facets),
        job=Job(namespace=namespace, name=f"{_flow(change.job)}.{contract.name}", facets=about),
        inputs=inputs,
        outputs=outputs,
        producer=PRODUCER,
    )


def _written(run: Run, contract: Contract) -> list[OutputDataset]:
    """The history, if the run published a state of it: then that is the newest one."""
    state = find_state(run.spark, run.target)
    if state is None or state.properties.get(BATCH_ID) != run.batch_id:
        return []
    return [
        target_dataset(
            contract,
            run.source,
            run.settings,
            location=_location(run.spark, run.target),
            snapshot_id=state.snapshot_id,
            opened=json.loads(state.properties.get(REPORT, "{}")).get("opened"),
        )
    ]


def _location(spark: SparkSession, table: str) -> str:
    described = spark.sql(f"DESCRIBE TABLE EXTENDED {table}")
    (place,) = described.where("col_name = 'Location'").collect()
    return str(place.data_type)


def _flow(otherwise: str) -> str:
    context = FlowRunContext.get()
    return otherwise if context is None or context.flow is None else context.flow.name


def _run_id(run_id: str) -> str:
    """The flow run's id, a UUID as the specification wants one."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER}/{run_id}"))
