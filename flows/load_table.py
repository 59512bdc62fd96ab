"""Load one table: the flow, step by step.

`python -m flows.load_table CONTRACT` runs it from the shell.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from prefect import flow
from prefect.runtime import flow_run

from contracts.errors import CommitConflictError
from flows.artifacts.load_artifacts import show_load
from flows.failure_alert_hook import alarm
from flows.flow_parameters import ContractName, KeyCount, SettingsName
from flows.load_steps import read
from flows.shell_exit_codes import exit_code
from history import LoadReport
from tasks.audit import audit
from tasks.create_views import offer_views
from tasks.lifecycle.open_run import Opened, opened
from tasks.merge import merge
from tasks.observability.emit_prefect_events import tell_loaded
from tasks.observability.prefect_assets import published_asset
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.run.retries import patient
from tasks.run.run_context import Run
from tasks.run.step_results import LoadSummary, StagedBatch, Verdict
from tasks.validate import validate

PUBLISH_ATTEMPTS = 5


@flow(
    name="load-table",
    flow_run_name="load-{contract}",
    persist_result=False,
    on_failure=[alarm],
    on_crashed=[alarm],
)
def load_table(
    contract: ContractName,
    settings: SettingsName = "default",
    closes_at_most: KeyCount | None = None,
    full: bool = False,
) -> LoadSummary:
    """Load what is new in the source of one contract into its history.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        closes_at_most: Close so many keys that a full read lacks; without it as many as the
            contract allows.
        full: Read the whole source, also where the contract reads what is new.
    """
    with opened(contract, settings, run_id=this_run(contract), started=started()) as load:
        run = replace(load.run, closes_at_most=closes_at_most, full=full)
        summary = loaded(replace(load, run=run))
    show_load(summary)
    return summary


def loaded(load: Opened) -> LoadSummary:
    """The steps of one load."""
    return ended(load, taken(load.run))


def ended(load: Opened, judged: Judged) -> LoadSummary:
    """Make what was judged good enough the table's, and record it."""
    judged, report = published(judged)
    run, staged = judged.run, judged.staged
    tell_loaded(run, staged, report)
    if report.published:
        # Again after each load: its columns are those of the table, which may have come to more.
        offer_views(run)
    summary = record(run, staged, judged.verdict, report, load.watch)
    return replace(
        summary,
        step_seconds=load.times.seconds,
        source_kind=str(run.contract.source.kind or ""),
        taken_because=judged.taken_because,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch that was read, staged and found good enough."""

    run: Run
    staged: StagedBatch
    verdict: Verdict
    taken_because: str = ""


def taken(run: Run) -> Judged:
    """Read the source once, and judge what it says."""
    found = patient(read, run)(run)
    verdict = validate(found.run, found.staged)
    return Judged(found.run, found.staged, verdict, found.extraction.taken_because)


def published(judged: Judged) -> tuple[Judged, LoadReport]:
    """Merge, audit, publish; anew on the new state when another writer was faster.

    A log says the same whenever it is read. A state is read anew, since the other writer's read
    may have been the later one.
    """
    for attempt in range(1, PUBLISH_ATTEMPTS + 1):
        run, staged, verdict = judged.run, judged.staged, judged.verdict
        written = merge(run, staged, verdict)
        audit(run, staged, verdict, written)
        try:
            report = published_asset(run, publish, written)(run, staged, verdict, written)
        except CommitConflictError:
            if attempt == PUBLISH_ATTEMPTS:
                raise
            if run.contract.source.is_state:
                judged = replace(taken(run), taken_because=judged.taken_because)
        else:
            return judged, replace(report, attempts=attempt)
    message = "the last attempt returns or raises"
    raise AssertionError(message)


def this_run(contract: str) -> str:
    """The id of a contract's load in this flow run: the same when the flow run is retried."""
    return str(uuid5(NAMESPACE_URL, f"{flow_run.get_id()}/{contract}"))


def started() -> datetime:
    """When the flow run was to start: a retry of it names the same batch."""
    start = flow_run.get_scheduled_start_time()
    # Prefect's is a subclass of datetime, which Spark does not take for a timestamp.
    return datetime.fromtimestamp(start.timestamp(), UTC)


if __name__ == "__main__":
    # What was typed is text; the flow reads it as its parameters.
    sys.exit(exit_code(load_table, *sys.argv[1:]))  # type: ignore[arg-type]
