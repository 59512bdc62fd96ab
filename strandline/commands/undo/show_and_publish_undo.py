"""A batch taken back: what differs without it is shown, and published if that is confirmed.

Promise: without a yes nothing is published, and the branch is dropped. The table is locked from
start to end, so what was shown is what is published; where a writer on another machine commits
first, the undo is planned, shown and confirmed anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.model import Contract, LoadKind
from history import Batch
from history.reading.published_snapshots import changed_rows, published_states
from history.reading.version_diff import difference
from history.restatement.undo_batch import UndoReport
from strandline.commands.diff_command import Difference, OnBranch, difference_page, read_difference
from strandline.commands.plan_until_published import until_published
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.terminal.ask_user import NOT_AGREED, agreed
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import count, many
from strandline.terminal.text_table import facts
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.lifecycle.table_lock import table_lock
from tasks.run.quarantine_decision import Decision
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.undo.refused_rows_of_batch import RefusedRows
from tasks.undo.undo_of_batch import DraftedUndo, drafted, publish, undo_batch
from tasks.undo.watermark_before_batch import WatermarkAfter

PUBLISHED, DROPPED, SHOWN = "published", "dropped", "shown"

_LABELS = {
    "appeared": "come back, or hold from another start",
    "closed": "were open and are closed",
    "changed": "change: another end, opened again, or a value",
    "vanished": "leave, or hold from another start",
}


@dataclass(frozen=True, slots=True)
class UndoOptions:
    """Which batch, who decides and why, and what is done about it."""

    batch: str
    decision: Decision
    keep_watermark: bool
    dry_run: bool
    show: int
    yes: bool


@dataclass(frozen=True, slots=True)
class UndoAnswer:
    """How an undo ended. `state` is 'published', 'dropped' (not confirmed) or 'shown'."""

    contract: str
    table: str
    state: str
    report: UndoReport
    watermark: WatermarkAfter
    quarantine: RefusedRows
    difference: Difference


def undo(screen: CommandOutput, table: str, options: UndoOptions, *, settings: str) -> int:
    """Take the batch back; the exit code is 0, or 65 where that was shown and not confirmed."""
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    batch = undo_batch(contract, run_settings, now=options.decision.at)
    with table_lock(run_settings.state_directory, batch.table, run_id=batch.id):
        with screen.waiting("Opening the lakehouse"):
            lake = open_lakehouse(run_settings, shared=False)
            with map_spark_errors(contract.name, "undo"):
                lake.versions(contract)
                contract = lake.as_loaded(contract)
                batch = undo_batch(contract, run_settings, now=options.decision.at)
        answer = until_published(screen, lambda: _attempt(screen, lake, contract, batch, options))
    return _print_answer(screen, answer)


def _attempt(
    screen: CommandOutput,
    lake: Lakehouse,
    contract: Contract,
    batch: Batch,
    options: UndoOptions,
) -> UndoAnswer:
    keep = options.keep_watermark
    with drafted(
        lake.spark, contract, lake.settings, batch, options.batch, keep_watermark=keep
    ) as draft:
        with map_spark_errors(contract.name, "undo"):
            result = _difference(lake, contract, draft, show=options.show)
        report = draft.result.report

        def answer(state: str) -> UndoAnswer:
            return UndoAnswer(
                contract.name, batch.table, state, report, draft.watermark, draft.refused, result
            )

        if not screen.as_json:
            page = difference_page(
                result, _LABELS, width=screen.out.width, options=("--show N", "a greater --show")
            )
            screen.answer(None, *page, facts(_consequences(draft, contract)))
        if options.dry_run:
            return answer(SHOWN)
        if not options.yes and not agreed(screen, f"Take batch {options.batch} back?"):
            return answer(DROPPED)
        publish(draft, options.decision, keep_watermark=keep)
        return answer(PUBLISHED)


def _difference(
    lake: Lakehouse, contract: Contract, draft: DraftedUndo, *, show: int
) -> Difference:
    table, report = lake.target(contract), draft.result.report
    now, head = published_states(lake.spark, table)[-1], report.snapshot_id or 0
    frames = changed_rows(lake.spark, table, now.snapshot_id, head)
    differing = difference(*frames, history_settings(contract))
    counts, versions = read_difference(differing, contract, keys=show > 0, limit=show)
    return Difference(
        contract.name, table, (now, OnBranch(head, report.batch_id)), counts, versions
    )


def _consequences(draft: DraftedUndo, contract: Contract) -> list[tuple[str, str]]:
    """What follows, each with a word for it: events, what comes back, watermark, quarantine."""
    report = draft.result.report
    events = f"{many(report.events, 'event')} of {many(report.keys, 'key')} leave"
    if report.deletes:
        events += f", {many(report.deletes, 'delete')} among them"
    pairs = [("the batch", events)]
    back = []
    if report.returned:
        back.append(f"{many(report.returned, 'event')} that it had displaced")
    if report.observed_again:
        back.append(f"{many(report.observed_again, 'row')} as a later read found them too")
    if back:
        pairs.append(("comes back", ", ".join(back)))
    if report.refused:
        rows = sum(report.refused.values())
        pairs.append(("contradict", f"{many(rows, 'event')} without it: held in the quarantine"))
    if not report.state_before:
        pairs.append(("not known", "what its events had displaced: the state before is gone"))
    if report.repeated_since:
        known = f"{many(report.repeated_since, 'event')} came again that the table had"
        pairs.append(("since then", f"{known}; those of this batch leave all the same"))
    pairs.append(("next load", _next_load(draft.watermark, contract)))
    pairs += _quarantine(draft.refused)
    return pairs


def _next_load(after: WatermarkAfter, contract: Contract) -> str:
    again = "what the source still has of this batch comes again"
    if contract.source.load is LoadKind.FULL or after.watermark is None:
        return f"reads the whole source: {again}"
    if not after.reads_again:
        return f"reads from {after.watermark}, as before: what the source has stays out"
    if after.watermark == after.was:
        return f"reads from {after.watermark}, as before: {again}"
    return f"reads from {after.watermark} on, not from {after.was}: {again}"


def _quarantine(refused: RefusedRows) -> list[tuple[str, str]]:
    parts = []
    if refused.refused:
        what = "settled as undone" if refused.settled else "stay held"
        parts.append(f"{count(refused.refused)} that it refused {what}")
    if refused.held_again:
        parts.append(f"{count(refused.held_again)} that it had settled are held again")
    return [("refused rows", ", ".join(parts))] if parts else []


def _print_answer(screen: CommandOutput, answer: UndoAnswer) -> int:
    report = answer.report
    lines: list[RenderableType] = [
        Text(
            {
                PUBLISHED: f"published as {report.batch_id}: batch {report.undone} is undone",
                DROPPED: "not published, and dropped; --yes publishes without asking",
                SHOWN: "shown only: nothing was changed",
            }[answer.state],
            "bold",
        )
    ]
    if answer.state == PUBLISHED:
        command = f"strandline diff {answer.contract} --keys"
        lines.append(Text.assemble(("next: ", "dim"), (command, "bold")))
    screen.answer(answer, *lines)
    return NOT_AGREED if answer.state == DROPPED else 0
