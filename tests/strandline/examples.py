"""Histories, runs and summaries as the command line shows them, and how a page looks as text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console, RenderableType

from contracts.loader import TABLES, load_contract
from history.model.load_report import LoadReport
from strandline.queries.ledger_queries import RunMetrics
from strandline.queries.versions_of_key import KeyHistory, Version
from tasks.run.step_results import LoadSummary, StagedBatch
from tasks.transforms.checks.quality_score import Finding
from tasks.transforms.checks.verdict import Verdict

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
AIRCRAFT = load_contract(TABLES / "aircraft.yaml")
ENHANCED = load_contract(TABLES / "new_source_table.yaml")


def text_of(*parts: RenderableType, width: int = 120, colour: bool = False) -> str:
    """The parts as a terminal of that width would show them."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="truecolor" if colour else None,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def day(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)


def version(start, end, **values) -> Version:
    return Version(start, end, values, {"tail_number": "N1", "batch_id": "b1"})


def history_of(*versions: Version, tracked: Sequence[str] = ("airport", "carrier")) -> KeyHistory:
    return KeyHistory(
        "aircraft", "lake.s.aircraft", {"tail_number": "N1"}, tuple(tracked), versions
    )


def summary(contract="aircraft", *, refused=3, published=True, findings=()) -> LoadSummary:
    found = findings or (
        Finding("carrier_required", ("carrier",), "refuse", 3, 1000),
        Finding("tail_number_form", ("tail_number",), "warn", 7, 1000),
        Finding("destination_required", ("destination",), "refuse", 0, 1000),
    )
    return LoadSummary(
        contract=contract,
        target=f"lake.target_schema.{contract}",
        batch_id="BATCH_20240501_120000_0a1b2c3d",
        run_id="0a1b2c3d",
        started=NOW,
        ended=NOW + timedelta(seconds=83.4),
        staged=StagedBatch("lake.stage.x", 12_345, 9_000, refused, 42, 3_300, day(3)),
        verdict=Verdict(0.9876, 0.95, passed=True, findings=found),
        report=LoadReport(
            "BATCH_20240501_120000_0a1b2c3d",
            77,
            published=published,
            opened=8_000,
            closed=1_234,
            late=5,
            deleted=2,
            repeated=100,
            refused={"conflict": 4} if refused else {},
        ),
    )


def run_metrics(**given) -> RunMetrics:
    usual = {
        "contract": "aircraft",
        "target_table": "lake.target_schema.aircraft",
        "batch_id": "BATCH_20240501_120000_0a1b2c3d",
        "job_id": "0a1b2c3d",
        "state": "published",
        "start_time": NOW,
        "end_time": NOW + timedelta(seconds=8.4),
        "watermark": day(3),
        "rows_read": 12_345,
        "rows_refused": 3,
        "rows_ignored": 0,
        "rows_repeated": 0,
        "rows_erased": 0,
        "versions_opened": 8_000,
        "versions_closed": 1_234,
        "late": 0,
        "deleted": 0,
        "data_quality_score": 0.9876,
        "memory_usage_mb": 1_830.5,
        "cpu_usage_percent": 161.0,
        "files_read": 4,
        "bytes_read": 2_400_000,
        "files_written": 3,
        "bytes_written": 310_000,
        "spilled_bytes": None,
        "commit_retries": 0,
        "error_kind": None,
    }
    return RunMetrics(**usual | given)
