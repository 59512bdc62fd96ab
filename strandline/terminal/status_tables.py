"""The pages of status, runs and quarantine."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from strandline.queries.ledger_queries import Quarantine, RunMetrics, TableStatus
from strandline.terminal.number_format import (
    NOTHING,
    age_text,
    count,
    duration,
    many,
    minute,
    second,
    share,
    size,
)
from strandline.terminal.text_table import Heading, text_table
from tasks.recovery.newest_backup import BackupState

_STATE_STYLES = {
    "published": "green", "unchanged": "green", "refused": "yellow", "failed": "red",
}  # fmt: skip

_STATUS = (
    Heading("contract"),
    Heading("last load"),
    Heading("published (UTC)"),
    Heading("versions", number=True),
    Heading("open", number=True),
    Heading("quality", number=True),
    Heading("watermark (UTC)", spare=True),
    Heading("batch published", spare=True),
)
_RUNS = (
    Heading("started (UTC)"),
    Heading("contract"),
    Heading("state"),
    Heading("read", number=True, spare=True),
    Heading("refused", number=True),
    Heading("opened", number=True),
    Heading("closed", number=True, spare=True),
    Heading("quality", number=True, spare=True),
    Heading("took", number=True),
    Heading("memory", number=True, spare=True),
    Heading("written", number=True, spare=True),
    Heading("batch", spare=True),
)
_REASONS = (Heading("rows", number=True), Heading("check"), Heading("column"))
_REFUSED = (
    Heading("refused (UTC)"),
    Heading("key"),
    Heading("reasons", prose=True),
    Heading("batch", spare=True),
)
_ROW = Heading("row", prose=True)
_BATCHES = (
    Heading("not published (UTC)"),
    Heading("batch"),
    Heading("rows", number=True),
    Heading("quality", number=True),
    Heading("kept until (UTC)", spare=True),
    Heading("why", prose=True),
)


def status_page(statuses: Sequence[TableStatus], *, width: int) -> RenderableType:
    """One line per contract."""
    rows = [
        (
            Text(each.contract, style="bold"),
            state_text(each.last_run.state if each.last_run else None, exists=each.exists),
            minute(each.published_at),
            count(each.versions),
            count(each.open_versions),
            share(each.last_run.data_quality_score if each.last_run else None),
            second(each.watermark),
            each.batch_id or NOTHING,
        )
        for each in statuses
    ]
    return text_table(_STATUS, rows, width=width)


def backup_line(backup: BackupState) -> Text:
    """How old the newest backup is, and whether that is in time."""
    if backup.age_seconds is None:
        return Text(f"newest backup: {backup.state}", style="yellow")
    age = f"newest backup: {minute(backup.made_at)} UTC, {age_text(backup.age_seconds)} old"
    return Text(f"{age}, {backup.state}", style="" if backup.is_in_order else "red")


def state_text(state: str | None, *, exists: bool) -> Text:
    """How the last load ended, or why there is no state."""
    if state is None:
        return Text("loaded elsewhere" if exists else "never loaded", style="dim")
    return Text(state, style=_STATE_STYLES.get(state, ""))


def runs_page(runs: Sequence[RunMetrics], *, width: int) -> RenderableType:
    """One line per run, newest first."""
    rows = [
        (
            minute(run.start_time),
            run.contract,
            _run_state(run),
            count(run.rows_read),
            count(run.rows_refused),
            count(run.versions_opened),
            count(run.versions_closed),
            share(run.data_quality_score),
            NOTHING if run.seconds is None else duration(run.seconds),
            NOTHING if run.memory_usage_mb is None else size(run.memory_usage_mb * 1024**2),
            size(run.bytes_written),
            run.batch_id or NOTHING,
        )
        for run in runs
    ]
    return text_table(_RUNS, rows, width=width)


def _run_state(run: RunMetrics) -> Text:
    text = state_text(run.state, exists=True)
    if run.error_kind:
        text.append(f" {run.error_kind}", style="dim")
    return text


def quarantine_page(quarantine: Quarantine, *, width: int) -> list[RenderableType]:
    """Counts by reason first, then the newest rows."""
    parts: list[RenderableType] = [
        Text.assemble(
            (quarantine.table, "bold"), f"  {many(quarantine.held, 'row')} held in quarantine"
        )
    ]
    if quarantine.settled:
        words = ", ".join(f"{rows:,} {how}" for how, rows in quarantine.settled.items())
        parts.append(Text(f"settled: {words}", "dim"))
    if quarantine.held:
        parts += _rows_that_are_kept(quarantine, width)
    if quarantine.batches:
        batches = [
            (
                minute(each.held_at),
                each.batch_id,
                count(each.rows),
                share(each.score),
                minute(each.held_until),
                each.reasons,
            )
            for each in quarantine.batches
        ]
        parts.append(text_table(_BATCHES, batches, width=width))
    return parts


def _rows_that_are_kept(quarantine: Quarantine, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    counts = [(count(each.rows), each.check, each.column or NOTHING) for each in quarantine.reasons]
    parts.append(text_table(_REASONS, counts, width=width))
    with_rows = any(row.row is not None for row in quarantine.newest)
    rows = [
        (
            second(row.refused_at),
            row.record_key or NOTHING,
            ", ".join(row.reasons),
            row.batch_id,
            *([row.row or NOTHING] if with_rows else []),
        )
        for row in quarantine.newest
    ]
    parts.append(text_table((*_REFUSED, _ROW) if with_rows else _REFUSED, rows, width=width))
    if len(quarantine.newest) < quarantine.held:
        parts.append(
            Text(f"the newest {len(quarantine.newest):,} are shown; --limit shows more", "dim")
        )
    return parts
