"""What a person decides about refused rows, and about a batch that was not published: carried out.

Promise: the answer has counts and names of checks, and never a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError
from contracts.model import Contract
from flows.decisions.publish_batch import publish_held_batch
from flows.decisions.release_rows import ReleaseSummary, correct_rows, discard_rows, release_rows
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of
from strandline.queries.select_refused_rows import RowSelector, selection_of
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count, many
from strandline.terminal.text_table import facts
from tasks.correct_or_discard import Correction
from tasks.run.progress_listeners import Progress, listening
from tasks.run.quarantine_decision import Action, Decision, Selection
from tasks.run.unexpected_errors import map_unexpected_errors

STILL_REFUSED = 65
"""EX_DATAERR of sysexits.h: no row could be released."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Request:
    """Which rows a person decides about, and why."""

    rows: RowSelector
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Which batch a person decides about, and why."""

    batch: str
    by: str
    reason: str
    at: datetime


def release(screen: CommandOutput, table: str, request: Request, *, settings: str) -> int:
    """Release rows; 0, or 65 where every one of them is refused again."""
    contract, selection, decision = _prepared(table, request, Action.RELEASE, settings)
    with _waiting(screen, contract.name, "Judging the rows again"):
        summary = release_rows(contract.name, settings, selection, decision)
    screen.answer(release_data(summary), *release_page(summary))
    return 0 if summary.released else STILL_REFUSED


def fix(
    screen: CommandOutput,
    table: str,
    request: Request,
    values: Mapping[str, str | None],
    *,
    settings: str,
) -> None:
    """Give rows other values of source columns."""
    contract, selection, decision = _prepared(table, request, Action.FIX, settings)
    with _waiting(screen, contract.name, "Correcting the rows"):
        result = correct_rows(contract.name, settings, selection, decision, Correction(values))
    lines = [Text(f"{many(result.changed, 'row')} corrected in {', '.join(values)}", "bold")]
    if result.changed < result.selected:
        left = result.selected - result.changed
        lines.append(Text(f"{many(left, 'row')} left: the history keeps events as they came"))
    lines.append(_next(f"strandline quarantine release {contract.name}"))
    screen.answer(result, *lines)


def discard(screen: CommandOutput, table: str, request: Request, *, settings: str) -> None:
    """Give rows up."""
    contract, selection, decision = _prepared(table, request, Action.DISCARD, settings)
    with _waiting(screen, contract.name, "Settling the rows"):
        result = discard_rows(contract.name, settings, selection, decision)
    screen.answer(result, Text(f"{many(result.changed, 'row')} discarded", "bold"))


def publish(screen: CommandOutput, table: str, request: BatchRequest, *, settings: str) -> None:
    """Publish a batch that was kept back."""
    contract = contract_of(table, block_lookup.settings(settings))
    decision = Decision(Action.PUBLISH_BATCH, request.by, request.reason, request.at)
    with _waiting(screen, contract.name, "Publishing the batch"):
        summary = publish_held_batch(contract.name, settings, request.batch, decision)
    report = summary.report
    state = "published" if report.published else "unchanged"
    data = {
        "contract": summary.contract,
        "table": summary.target,
        "batch_id": summary.batch_id,
        "state": state,
        "versions_opened": report.opened,
        "versions_closed": report.closed,
        "late": report.late,
    }
    title = f"published as {summary.batch_id}"
    if not report.published:
        title = "unchanged: all that the batch says was loaded since"
    pairs = [("opened", count(report.opened)), ("closed", count(report.closed))]
    screen.answer(data, Text(title, "bold"), facts([*pairs, ("late", count(report.late))]))


def release_data(summary: ReleaseSummary) -> dict[str, object]:
    """The release in plain values, for `--json`."""
    report = summary.report
    return {
        "contract": summary.contract,
        "table": summary.target,
        "batch_id": summary.batch_id,
        "state": summary.state,
        "selected": summary.selected,
        "released": summary.released,
        "refused_again": summary.refused_again,
        "contested": summary.contested,
        "left": dict(summary.left),
        "versions_opened": None if report is None else report.opened,
        "versions_closed": None if report is None else report.closed,
        "late": None if report is None else report.late,
    }


def release_page(summary: ReleaseSummary) -> list[RenderableType]:
    """How many rows were released, and what became of the others."""
    titles = {
        "published": f"published as {summary.batch_id}",
        "unchanged": "unchanged: the history had all of it",
        "refused": "nothing was released",
    }
    pairs = [("selected", count(summary.selected)), ("released", count(summary.released))]
    if summary.refused_again:
        pairs.append(("refused again", count(summary.refused_again)))
    if summary.contested:
        pairs.append(("contradict other events", count(summary.contested)))
    if summary.report is not None:
        pairs.append(("versions opened", count(summary.report.opened)))
        pairs.append(("versions closed", count(summary.report.closed)))
    parts: list[RenderableType] = [
        Text.assemble((summary.target, "bold"), "  ", titles[summary.state]),
        facts(pairs),
    ]
    parts += [Text(f"{many(rows, 'row')} left: {why}") for why, rows in summary.left.items()]
    if summary.released < summary.selected:
        parts.append(_next(f"strandline quarantine show {summary.contract}"))
    return parts


def _prepared(
    table: str, request: Request, action: Action, settings: str
) -> tuple[Contract, Selection, Decision]:
    contract = contract_of(table, block_lookup.settings(settings))
    command = f"strandline quarantine {action} {contract.name}"
    selection = selection_of(request.rows, contract, command=command)
    return contract, selection, Decision(action, request.by, request.reason, request.at)


@contextmanager
def _waiting(screen: CommandOutput, contract: str, text: str) -> Iterator[None]:
    with screen.waiting(text), listening(_stop_if_interrupted):
        try:
            with temporary_server(), map_unexpected_errors(contract):
                yield
        except StrandlineError:
            end_on_interrupt()
            raise


def _next(command: str) -> Text:
    return Text.assemble(("next: ", "dim"), (command, "bold"))


def _stop_if_interrupted(_progress: Progress) -> None:
    """Spark reports an interruption as its own failure, after which a step would retry."""
    end_on_interrupt()
