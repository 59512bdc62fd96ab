"""Take over a history that another tool kept: read, validate, merge, compare, publish, record.

It has no deployment: a person moves a table once, and looks on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect import flow

from contracts.errors import QualityGateError
from contracts.model import Contract
from flows.flow_run import started, this_run
from flows.load_steps import keep_access_current, publish_merged, tell_published
from history import LoadReport
from tasks.imports.compare_with_peer import Compared, compare_with_peer
from tasks.imports.contract_of_import import contract_of_events
from tasks.imports.peer_table import PeerTable
from tasks.imports.read_versions import read_versions, refuse_loaded
from tasks.lifecycle.leftover_cleanup import clear_all_stages
from tasks.lifecycle.open_run import open_run
from tasks.merge import merge
from tasks.observability.prefect_assets import published_asset
from tasks.protect import protect
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.resilience.source_reading import source_reading
from tasks.run.run_context import Run
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_results import LoadSummary, MergedBatch, SourceRead, ValidBatch
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.validate import validate

__all__ = ["HistoryImport", "ImportSummary", "import_history"]


@dataclass(frozen=True, slots=True)
class HistoryImport:
    """What is taken over: by which contract, from which table of which block."""

    contract: Contract
    table: PeerTable
    connection: str

    @property
    def origin(self) -> Contract:
        """The contract with the history's own database as its source."""
        return contract_of_events(self.contract, self.table, self.connection)


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """How an import ended: the load of it, and what was compared before it was published."""

    load: LoadSummary
    compared: Compared
    rows: int


def import_history(what: HistoryImport, settings: str) -> ImportSummary:
    """Load the history by its contract, compare it row by row, and publish it.

    Args:
        what: The history.
        settings: The name of the run settings block.

    Raises:
        SettingsError: The target was loaded before.
        QualityGateError: Too many versions contradict each other.
        AuditError: The result is not the other tool's table.
    """

    # The table and the contract are no parameters that Prefect could show or send.
    @flow(
        name="import-history",
        flow_run_name=f"import-{what.contract.name}",
        persist_result=False,
    )
    @without_unexpected_errors("import-history")
    def imported() -> ImportSummary:
        return _imported(what, settings)

    return imported()


def _imported(what: HistoryImport, settings: str) -> ImportSummary:
    origin, name = what.origin, what.contract.name
    with open_run(
        name, settings, run_id=this_run(name), started=started(), unwritten=origin
    ) as opened:
        run = opened.run
        with map_spark_errors(run.name, "open"):
            refuse_loaded(run)
        source_read = _read(run, what)
        valid = _validated(run, source_read)
        compared: list[Compared] = []

        def merged(_attempt: int) -> MergedBatch:
            batch = merge(run, valid.contract, valid.staged, valid.verdict)
            compared[:] = [
                compare_with_peer(run, valid.contract, valid.staged, batch, what.table.rows)
            ]
            return batch

        def published(batch: MergedBatch) -> LoadReport:
            return published_asset(run, valid.contract, publish, batch.written)(run, batch)

        report = publish_merged(run, merged, published, attempts=1)
        tell_published(run, valid.contract, valid.staged, report)
        summary = record(
            run,
            valid.staged,
            valid.verdict,
            report,
            opened.watch,
            reason=f"taken over from {what.table.peer.where}",
        )
        keep_access_current(run, valid.contract)
        summary = replace(summary, step_seconds=opened.times.seconds, source_kind="events")
        return ImportSummary(summary, compared[0], what.table.rows)


def _validated(run: Run, read: SourceRead) -> ValidBatch:
    """The batch, if the gate lets it through; nobody can publish it afterwards if it does not."""
    try:
        return validate(run, read.contract, read.staged)
    except QualityGateError as closed:
        with map_spark_errors(run.name, "close"):
            clear_all_stages(run.spark, run.settings, run.name, run.target)
        raise QualityGateError(
            where=closed.where,
            expected=closed.expected,
            found=closed.found,
            next_step="Nothing was published, and no contract written. With --contract-only,"
            f" strandline quarantine {run.name} shows the refused rows: correct them in the table"
            " that they come from, or in a copy that --history names.",
        ) from None


def _read(run: Run, what: HistoryImport) -> SourceRead:
    with source_reading(run, what.origin) as reading:
        found = read_versions(run, what.contract, what.table, reading)
        staged = protect(run, found.extraction, reading, found.rows)
        return SourceRead(found.extraction, staged)
