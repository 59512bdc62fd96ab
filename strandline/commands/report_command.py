"""`strandline report`: how a batch of a table was judged, as one HTML page.

Promise: the page is written whole or not at all, needs no other file and no network, and holds
counts and names; of rows at most keys that are not sensitive.
"""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from rich.text import Text

from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import ContractError, SettingsError
from contracts.model import Contract
from strandline.queries.open_lakehouse import Lakehouse, contract_of, open_lakehouse
from strandline.queries.quality_report import (
    QualityReport,
    contract_of_run,
    read_report,
)
from strandline.report_page.quality_page import quality_page
from strandline.report_page.run_sections import next_steps
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import many, second, share
from tasks.run.spark_error_mapping import map_spark_errors
from tasks.transforms.checks.quality_score import Outcome

_BATCH_PREFIX = "BATCH_"
_NEXT_STEPS = 2
"""So many are printed; the page has all."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options: a run (None: the newest), how many, where to write, whether to open the page."""

    run: str | None
    limit: int
    output: Path | None
    open_page: bool


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Where the page is, and what it is about."""

    report: str
    contract: str
    table: str
    batch_id: str
    judged_at: datetime
    outcome: str
    score: float | None
    refused_percent: float
    reasons: tuple[str, ...]


def report(screen: CommandOutput, name: str, options: ReportOptions, *, settings: str) -> None:
    """Write the page of a table's newest batch, or of a run's.

    Args:
        screen: Where the answer goes.
        name: A contract, its target table, a batch, a run's id or a flow run's.
        options: The options.
        settings: The name of the run settings.
    """
    run_settings = block_lookup.settings(settings)
    contract, run = _table_or_run(name, options.run, run_settings)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
    with screen.waiting("Reading the ledgers"), map_spark_errors(name, "report"):
        found = _read(lake, contract, run, options.limit)
    page = quality_page(found, made_at=datetime.now(UTC))
    path = _write(page, found, options.output, run_settings)
    opened = options.open_page and webbrowser.open(path.as_uri())
    screen.answer(_written(path, found), *_lines(path, found))
    if options.open_page and not opened:
        screen.log("No browser was found; open the page yourself.")


def _table_or_run(
    name: str, run: str | None, settings: RunSettings
) -> tuple[Contract | None, str | None]:
    """A table's contract and the wanted run; without a contract the run says which table."""
    try:
        return contract_of(name, settings), run
    except ContractError:
        if run is not None or not _is_run(name):
            raise
        return None, name


def _is_run(name: str) -> bool:
    """Whether it is the name of a batch or the id of a run: then Spark is worth starting."""
    if name.startswith(_BATCH_PREFIX):
        return True
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _read(lake: Lakehouse, contract: Contract | None, run: str | None, limit: int) -> QualityReport:
    if contract is None:
        contract = contract_of_run(lake, run or "")
    return read_report(lake, contract, run, limit=limit)


def _write(page: str, found: QualityReport, output: Path | None, settings: RunSettings) -> Path:
    folder = settings.state_directory / "reports"
    path = output or folder / f"{found.contract}-{found.batch.batch_id}.html"
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise SettingsError(
            where=str(path),
            expected="a place that the report can be written to",
            found=error.strerror or type(error).__name__,
            next_step="Choose another one with --output FILE.",
        ) from error
    return path.resolve()


def _written(path: Path, found: QualityReport) -> WrittenReport:
    batch = found.batch
    return WrittenReport(
        report=str(path),
        contract=found.contract,
        table=found.table,
        batch_id=batch.batch_id,
        judged_at=batch.judged_at,
        outcome=batch.outcome,
        score=batch.score,
        refused_percent=batch.refused_percent,
        reasons=batch.reasons,
    )


def _lines(path: Path, found: QualityReport) -> list[Text]:
    batch = found.batch
    failed = sum(check.outcome == Outcome.FAILED for check in batch.checks)
    gate = "the gate closed" if batch.closed else "the gate was open"
    score = "not evaluated" if batch.score is None else f"quality {share(batch.score)}"
    return [
        Text.assemble(
            (batch.batch_id, "bold"),
            f"  judged {second(batch.judged_at)}: {gate}, {score}, "
            f"{failed:,} of {many(len(batch.checks), 'check')} failed",
        ),
        *[Text(f"  {reason}", style="red") for reason in batch.reasons],
        Text(str(path), no_wrap=True),
        *[
            Text.assemble(("next: ", "dim"), (command, "bold"), no_wrap=True)
            for command, _ in next_steps(found)[:_NEXT_STEPS]
        ],
    ]
