"""Release, correct or discard rows of the quarantine: what a person decided, carried out.

Promise: released rows are judged again by today's contract. Those that pass take the place in the
history that they would have had, as one batch; the others stay, with their new reasons. No key and
no value is a parameter of the flow run, where others could read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from prefect import flow

from contracts.errors import NotFoundError
from flows.flow_run import started, this_run
from flows.load_steps import keep_access_current, publish_merged, tell_published
from history import LoadReport
from tasks.correct_or_discard import Correction, RowsChanged, correct_values, give_up
from tasks.judge_again import JudgedAgain, judge_again
from tasks.lifecycle.open_run import OpenRun, open_run
from tasks.lifecycle.settle_rows import (
    claim_published_rows,
    claim_rows,
    settle_claimed_rows,
)
from tasks.merge import merge_released
from tasks.observability.decision_ledger import record_decision
from tasks.publish import publish
from tasks.record_lineage_and_metrics import record
from tasks.resilience.source_reading import source_reading
from tasks.run.quarantine_decision import Decision, Selection
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.step_results import MergedBatch
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.transforms.checks.verdict import NOT_JUDGED


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """How a release ended.

    Attributes:
        contract: The contract.
        target: The history table.
        batch_id: The batch, which identifies the decision too.
        state: 'published', 'unchanged' (the history knew all of it) or 'refused' (no row passed).
        selected: The rows that were selected.
        released: Those that were released.
        refused_again: Those that today's contract refuses.
        contested: Those that the history refused, for what others of their instant say.
        left: Those that could not be judged, by reason.
        report: What the history changed; None: no row passed.
    """

    contract: str
    target: str
    batch_id: str
    state: str
    selected: int
    released: int
    refused_again: int
    contested: int = 0
    left: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    report: LoadReport | None = None


def release_rows(
    contract: str, settings: str, selection: Selection, decision: Decision
) -> ReleaseSummary:
    """Release the selected rows of a contract's table, in a flow run `release-rows`.

    Raises:
        NotFoundError: None of the kept rows is selected.
        StrandlineError: As a load; what was not published stays in the quarantine.
    """

    @flow(name="release-rows", flow_run_name="release-{contract}", persist_result=False)
    @without_unexpected_errors("release-rows")
    def release(contract: str, settings: str) -> ReleaseSummary | None:
        with open_run(contract, settings, run_id=this_run(contract), started=started()) as opened:
            return _release(opened, selection, decision)

    return _found(release(contract, settings), contract, selection)


def correct_rows(
    contract: str, settings: str, selection: Selection, decision: Decision, values: Correction
) -> RowsChanged:
    """Give the selected rows other values, in a flow run `correct-rows`; they stay kept.

    Raises:
        NotFoundError: None of the kept rows is selected.
        UsageError: A column or a value is not of the contract's.
    """

    @flow(name="correct-rows", flow_run_name="correct-{contract}", persist_result=False)
    @without_unexpected_errors("correct-rows")
    def correct(contract: str, settings: str) -> RowsChanged | None:
        with open_run(contract, settings, run_id=this_run(contract), started=started()) as opened:
            return correct_values(opened.run, opened.contract, selection, decision, values)

    return _found(correct(contract, settings), contract, selection)


def discard_rows(
    contract: str, settings: str, selection: Selection, decision: Decision
) -> RowsChanged:
    """Give the selected rows up, in a flow run `discard-rows`: they are not kept any more.

    Raises:
        NotFoundError: None of the kept rows is selected.
    """

    @flow(name="discard-rows", flow_run_name="discard-{contract}", persist_result=False)
    @without_unexpected_errors("discard-rows")
    def discard(contract: str, settings: str) -> RowsChanged | None:
        with open_run(contract, settings, run_id=this_run(contract), started=started()) as opened:
            return give_up(opened.run, opened.contract, selection, decision)

    return _found(discard(contract, settings), contract, selection)


T = TypeVar("T")


def _found(result: T | None, contract: str, selection: Selection) -> T:
    """The result; outside of the run, which did not fail because nothing was selected."""
    if result is None:
        raise NotFoundError(
            where=f"{contract}, quarantine",
            expected=f"kept rows, selected by {selection.words}",
            found="none",
            next_step=f"strandline quarantine show {contract}",
        )
    return result


def _release(opened: OpenRun, selection: Selection, decision: Decision) -> ReleaseSummary | None:
    run = opened.run
    with source_reading(run, opened.contract) as reading:
        judged = judge_again(run, opened.contract, reading, selection)
    if not judged.selected:
        return None
    staged = judged.staged
    record_decision(
        run,
        decision,
        contract_version=opened.contract.version,
        selected_by=selection.words,
        rows_selected=judged.selected,
        rows_refused_again=staged.refused,
    )
    summary = ReleaseSummary(
        contract=run.name,
        target=run.target,
        batch_id=run.batch_id,
        state="refused",
        selected=judged.selected,
        released=staged.ignored,
        refused_again=staged.refused,
        left=judged.left,
    )
    if staged.staged:
        report, contested = _publish(opened, judged)
        summary = replace(
            summary,
            state="published" if report.published else "unchanged",
            released=staged.staged + staged.ignored - contested,
            contested=contested,
            report=report,
        )
    elif staged.rows_read:
        with map_spark_errors(run.name, "release"):
            claim_rows(run, judged.contract, staged)
    with map_spark_errors(run.name, "settle", publishes=True):
        settle_claimed_rows(run, at=datetime.now(UTC))
    return summary


def _publish(opened: OpenRun, judged: JudgedAgain) -> tuple[LoadReport, int]:
    """Merge, audit, publish and record; with how many rows the history refused."""
    run, contract, staged = opened.run, judged.contract, judged.staged
    contested = 0

    def claimed(_attempt: int) -> MergedBatch:
        nonlocal contested
        merged = merge_released(run, contract, staged)
        with map_spark_errors(run.name, "release"):
            contested = claim_published_rows(run, contract, staged, merged.written)
        return merged

    report = publish_merged(run, claimed, partial(publish, run))
    tell_published(run, contract, staged, report)
    record(
        run,
        staged,
        NOT_JUDGED,
        report,
        opened.watch,
        reason="a release of refused rows, by decision",
    )
    keep_access_current(run, contract)
    return report, contested
