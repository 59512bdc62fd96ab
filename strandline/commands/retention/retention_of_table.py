"""`strandline retention`: what a table's retention would do, or applied in a flow run.

Promise: the answer has counts and dates, and never a value.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError, UsageError
from contracts.model import Contract
from flows.apply_retention import RetentionFailedError, apply_retention, retention_line
from strandline.commands.temporary_prefect_server import temporary_server
from strandline.queries.open_lakehouse import contract_of, open_lakehouse
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.ctrl_c import end_on_interrupt
from strandline.terminal.number_format import count
from strandline.terminal.text_table import facts
from tasks.retention.expired_records import rule_of
from tasks.retention.retain_table import APPLIED, RetentionOutcome, RetentionRun
from tasks.retention.retired_records import Retirement
from tasks.run.progress_listeners import Progress, listening
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.run.unexpected_errors import map_unexpected_errors

_LABELS = {
    "records": "records whose retention is over",
    "held": "under legal hold, so kept",
    "due_in_30_days": "due within 30 days",
    "due_in_90_days": "due within 90 days",
    "versions": "versions",
    "kept_events": "kept events",
    "refused_rows": "refused rows",
    "unusual_rows": "unusual rows",
    "stages": "stages of unpublished batches",
    "snapshots": "older states let go",
    "snapshots_pinned": "older states that a tag keeps",
}


@dataclass(frozen=True, slots=True)
class RetentionOptions:
    """Whether it is applied, or run without changing anything; neither: only shown."""

    apply: bool
    dry_run: bool


def retention(
    screen: CommandOutput, table: str, options: RetentionOptions, *, settings: str
) -> None:
    """Show the retention of a table, or apply it."""
    if options.apply and options.dry_run:
        raise UsageError(
            where="strandline retention",
            expected="--apply or --dry-run",
            found="both",
            next_step="strandline retention --help",
        )
    contract = contract_of(table, block_lookup.settings(settings))
    rule, days = rule_of(contract)
    if options.apply or options.dry_run:
        outcome, applied = _run(screen, contract, settings, dry_run=options.dry_run), None
    else:
        outcome, applied = _found(screen, contract, settings)
    if outcome.error is not None:
        raise outcome.error
    words = f"{rule.action} after {days:,} days from {rule.start}"
    data = retention_line(outcome) | {
        "days": days,
        "from": str(rule.start),
        "last_applied": applied,
        "applied": options.apply,
    }
    screen.answer(data, *_page(outcome, words, applied, options))


def _run(
    screen: CommandOutput, contract: Contract, settings: str, *, dry_run: bool
) -> RetentionOutcome:
    with screen.waiting("Applying the retention"), listening(_stop_if_interrupted):
        try:
            with temporary_server(), map_unexpected_errors(contract.name):
                (outcome,) = apply_retention([contract.name], settings, dry_run)
        except RetentionFailedError as error:
            end_on_interrupt()
            (outcome,) = error.outcomes
        except StrandlineError:
            end_on_interrupt()
            raise
    return outcome


def _found(
    screen: CommandOutput, contract: Contract, settings: str
) -> tuple[RetentionOutcome, str | None]:
    """What there is to do, and when retention was last applied."""
    now = datetime.now(UTC)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(block_lookup.settings(settings), shared=False)
        with map_spark_errors(contract.name, "retention"):
            retirement = Retirement(lake.target(contract), str(uuid.uuid4()), now)
            run = RetentionRun(lake.spark, lake.settings, contract, retirement)
            counts, _, is_held = run.found()
            rows = lake.spark.sql(f"SHOW TBLPROPERTIES {lake.target(contract)}").collect()
    applied = next((row.value for row in rows if row.key == APPLIED), None)
    rule, _ = rule_of(contract)
    outcome = RetentionOutcome(
        contract.name,
        lake.target(contract),
        (datetime.now(UTC) - now).total_seconds(),
        str(rule.action),
        counts,
        None,
        is_held,
    )
    return outcome, applied


def _page(
    outcome: RetentionOutcome, words: str, applied: str | None, options: RetentionOptions
) -> list[RenderableType]:
    parts: list[RenderableType] = [Text.assemble((outcome.target, "bold"), f"  {words}")]
    if not options.apply:
        parts.append(Text("nothing was changed; this is what would be done", "dim"))
    always = ("records", "held", "due_in_30_days", "due_in_90_days")
    pairs = [
        (label, count(outcome.counts[name]))
        for name, label in _LABELS.items()
        if name in always or outcome.counts[name]
    ]
    if not (options.apply or options.dry_run):
        pairs.append(("last applied", applied or "never"))
    parts.append(facts(pairs))
    if outcome.beside_is_held:
        parts.append(Text("a legal hold keeps refused rows, unusual rows and stages"))
    if not options.apply and outcome.state == "applied":
        command = f"strandline retention {outcome.contract} --apply"
        parts.append(Text.assemble(("next: ", "dim"), (command, "bold")))
    return parts


def _stop_if_interrupted(_progress: Progress) -> None:
    end_on_interrupt()
