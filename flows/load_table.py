"""Load one table: the flow, step by step.

`python -m flows.load_table CONTRACT` runs it from the shell.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from prefect import flow
from prefect.runtime import flow_run

from contracts.errors import CommitConflictError
from flows.alarm import alarm
from flows.page import show_load
from flows.parameters import ContractName, SettingsName
from history import LoadReport
from tasks.assets import published_asset
from tasks.audit import audit
from tasks.events import tell_loaded
from tasks.extract import extract
from tasks.handoff import LoadSummary, StagedBatch, Verdict
from tasks.merge import merge
from tasks.opening import Opened, opened
from tasks.patience import patient
from tasks.protect import protect
from tasks.publish import publish
from tasks.record import record
from tasks.run import Run
from tasks.validate import validate
from tasks.views import offer_views

PUBLISH_ATTEMPTS = 5


@flow(
    name="load-table",
    flow_run_name="load-{contract}",
    persist_result=False,
    on_failure=[alarm],
    on_crashed=[alarm],
)
def load_table(contract: ContractName, settings: SettingsName = "default") -> LoadSummary:
    """Load what is new in the source of one contract into its history.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
    """
    with opened(contract, settings, run_id=this_run(contract), started=started()) as load:
        summary = loaded(load)
    show_load(summary)
    return summary


def loaded(load: Opened) -> LoadSummary:
    """The steps of one load."""
    run = load.run
    extraction = patient(extract, run)(run)
    staged = patient(protect, run)(run, extraction)
    verdict = validate(run, staged)
    report = published(run, staged, verdict)
    tell_loaded(run, staged, report)
    if report.published:
        # Again after each load: its columns are those of the table, which may have come to more.
        offer_views(run)
    summary = record(run, staged, verdict, report, load.watch)
    return replace(summary, step_seconds=load.times.seconds)


def published(run: Run, staged: StagedBatch, verdict: Verdict) -> LoadReport:
    """Merge, audit, publish; anew on the new state when another writer was faster."""
    for attempt in range(1, PUBLISH_ATTEMPTS + 1):
        written = merge(run, staged, verdict)
        audit(run, staged, verdict, written)
        try:
            report = published_asset(run, publish, written)(run, staged, verdict, written)
        except CommitConflictError:
            if attempt == PUBLISH_ATTEMPTS:
                raise
        else:
            return replace(report, attempts=attempt)
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
    load_table(*sys.argv[1:])
