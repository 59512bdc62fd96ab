"""Status, runs and refused rows, read from the ledgers and the tables themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from contracts.model import Contract
from history.iceberg.current_snapshot import BATCH_ID, WATERMARK, current_state
from history.iceberg.history_table import exists
from history.spark.column_quoting_and_comparison import named
from history.writing.quarantine_table import is_unsettled
from strandline.queries.dates_beyond_python_range import FarMoment, moment_at
from tasks.compiler.contract_to_history_settings import history_settings

_FIGURES = (
    "rows_read", "rows_refused", "rows_ignored", "rows_repeated", "rows_erased",
    "versions_opened", "versions_closed", "late", "deleted", "data_quality_score",
    "memory_usage_mb", "cpu_usage_percent", "files_read", "bytes_read", "files_written",
    "bytes_written", "spilled_bytes", "commit_retries", "error_kind", "step_milliseconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """One load of one table, as the ledger `run_metrics` keeps it."""

    contract: str
    target_table: str
    batch_id: str | None
    job_id: str
    state: str
    start_time: datetime
    end_time: datetime | None
    watermark: datetime | FarMoment | None
    rows_read: int | None
    rows_refused: int | None
    rows_ignored: int | None
    rows_repeated: int | None
    rows_erased: int | None
    versions_opened: int | None
    versions_closed: int | None
    late: int | None
    deleted: int | None
    data_quality_score: float | None
    memory_usage_mb: float | None
    cpu_usage_percent: float | None
    files_read: int | None
    bytes_read: int | None
    files_written: int | None
    bytes_written: int | None
    spilled_bytes: int | None
    commit_retries: int | None
    error_kind: str | None
    step_milliseconds: Mapping[str, int] | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        if self.end_time is None:
            return None
        return (self.end_time - self.start_time).total_seconds()


@dataclass(frozen=True, slots=True)
class TableStatus:
    """The status of one table: what is published, and how its last load ended.

    Without a table (`exists` is False) or before the first load, the rest is None.
    """

    contract: str
    table: str
    exists: bool
    versions: int | None = None
    open_versions: int | None = None
    batch_id: str | None = None
    published_at: datetime | None = None
    watermark: datetime | FarMoment | None = None
    last_run: RunMetrics | None = None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many quarantined rows failed one check in one column (None: the row as a whole)."""

    check: str
    column: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One refused row. `row` is its protected JSON, and None where it was not requested."""

    refused_at: datetime
    record_key: str
    reasons: tuple[str, ...]
    batch_id: str
    row: str | None = None


@dataclass(frozen=True, slots=True)
class BatchKeptBack:
    """A batch that its contract's gate kept from being published, and that still can be."""

    batch_id: str
    held_at: datetime
    held_until: datetime
    rows: int
    score: float | None
    reasons: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The refused rows of one table that are held: counts, and the newest ones.

    `settled` counts those that are not any more, by how they were settled; `batches` are the
    batches that were not published.
    """

    contract: str
    table: str
    held: int
    reasons: tuple[ReasonCount, ...] = ()
    newest: tuple[RefusedRow, ...] = ()
    settled: Mapping[str, int] = field(default_factory=dict)
    batches: tuple[BatchKeptBack, ...] = ()


def read_runs(ledger: DataFrame, *, contract: str | None = None, limit: int) -> list[RunMetrics]:
    """The newest runs, newest first."""
    selected = ledger if contract is None else ledger.where(F.col("contract") == contract)
    return _metrics(selected.orderBy(F.col("start_time").desc(), "contract").limit(limit))


def read_last_runs(ledger: DataFrame) -> dict[str, RunMetrics]:
    """The newest run of each target table, by the table's name."""
    whole = F.struct(*[F.col(name) for name in ledger.columns])
    newest = ledger.groupBy("target_table").agg(F.max_by(whole, F.col("start_time")).alias("run"))
    return {run.target_table: run for run in _metrics(newest.select("run.*"))}


def read_status(
    spark: SparkSession, contract: Contract, table: str, last_run: RunMetrics | None
) -> TableStatus:
    """The status of the table, from one read of its snapshots and one count."""
    if not exists(spark, table):
        return TableStatus(contract.name, table, exists=False, last_run=last_run)
    settings = history_settings(contract)
    counts = (
        spark.table(table)
        .agg(
            F.count(F.lit(1)).alias("versions"),
            F.count_if(named(settings.is_current)).alias("open_versions"),
        )
        .collect()[0]
    )
    state = current_state(spark, table)
    properties = state.properties if state is not None else {}
    watermark = properties.get(WATERMARK)
    return TableStatus(
        contract.name,
        table,
        exists=True,
        versions=counts.versions,
        open_versions=counts.open_versions,
        batch_id=properties.get(BATCH_ID),
        published_at=_published_at(spark, table, state.snapshot_id) if state else None,
        watermark=datetime.fromisoformat(watermark) if watermark else None,
        last_run=last_run,
    )


def read_quarantine(
    ledger: DataFrame,
    contract: Contract,
    table: str,
    *,
    limit: int,
    rows: bool = False,
    batches: tuple[BatchKeptBack, ...] = (),
) -> Quarantine:
    """The quarantined rows of the table: counts by reason, then the newest `limit` rows.

    `rows` adds the rows themselves, as they are stored: sensitive values encrypted.
    """
    own = ledger.where(F.col("target_table") == table)
    unreleased = own.where(is_unsettled(own))
    counted = (
        unreleased.select(F.explode("reasons").alias("reason"))
        .groupBy("reason.check", "reason.column")
        .count()
        .orderBy(F.col("count").desc(), "check", "column")
        .collect()
    )
    newest = (
        unreleased.orderBy(F.col("refused_at").desc(), "record_key")
        .select(
            _micros("refused_at"),
            "record_key",
            "reasons",
            "batch_id",
            *(["row"] if rows else []),
        )
        .limit(limit)
        .collect()
    )
    return Quarantine(
        contract=contract.name,
        table=table,
        held=unreleased.count(),
        reasons=tuple(ReasonCount(r["check"], r["column"], r["count"]) for r in counted),
        newest=tuple(_refused(row, with_row=rows) for row in newest),
        settled=_settled(own),
        batches=batches,
    )


def _settled(rows: DataFrame) -> dict[str, int]:
    """How many rows were settled, by how; a ledger of an earlier release says of none."""
    if "settled_how" not in rows.columns:
        return {}
    how = rows.where(~is_unsettled(rows)).groupBy("settled_how").count()
    return {row["settled_how"]: row["count"] for row in how.orderBy("settled_how").collect()}


def read_kept_batches(
    spark: SparkSession, ledger: DataFrame, table: str, *, now: datetime
) -> tuple[BatchKeptBack, ...]:
    """The batches of the table that were not published and still can be, newest first.

    Args:
        spark: The session to read with.
        ledger: The ledger `held_batches`.
        table: The history table.
        now: A batch whose time is up by then is none of them; timezone-aware.
    """
    own = ledger.where((F.col("target_table") == table) & (F.col("held_until") > F.lit(now)))
    columns = ("batch_id", "stage_table", "rows_staged", "score", "reasons")
    rows = own.select(*columns, _micros("held_at"), _micros("held_until"))
    found: dict[str, BatchKeptBack] = {}
    for row in rows.orderBy(F.col("held_at").desc()).collect():
        if row.batch_id not in found and exists(spark, row.stage_table):
            found[row.batch_id] = BatchKeptBack(
                row.batch_id,
                _moment(row.held_at),
                _moment(row.held_until),
                row.rows_staged,
                row.score,
                row.reasons,
            )
    return tuple(found.values())


def _refused(row: Row, *, with_row: bool) -> RefusedRow:
    return RefusedRow(
        refused_at=_moment(row.refused_at),
        record_key=key_text(row.record_key),
        reasons=tuple(_reason_text(reason) for reason in row.reasons or ()),
        batch_id=row.batch_id,
        row=row["row"] if with_row else None,
    )


def _reason_text(reason: Row) -> str:
    return f"{reason['check']} ({reason['column']})" if reason["column"] else str(reason["check"])


def key_text(text: str | None) -> str:
    """`{"a":1,"b":2}` as a command line takes it: `a=1,b=2`; the bare value of a single column."""
    values: dict[str, object] = json.loads(text or "{}")
    if len(values) == 1:
        return str(next(iter(values.values())))
    return ",".join(f"{name}={value}" for name, value in values.items())


def _metrics(runs: DataFrame) -> list[RunMetrics]:
    columns = runs.select(
        "contract",
        "target_table",
        "batch_id",
        "job_id",
        "state",
        *[_micros(name) for name in ("start_time", "end_time", "watermark")],
        # A ledger that an earlier release created lacks newer columns.
        *[F.col(each) if each in runs.columns else F.lit(None).alias(each) for each in _FIGURES],
    )
    return [
        RunMetrics(
            **row.asDict()
            | {
                "start_time": _moment(row.start_time),
                "end_time": _moment(row.end_time),
                "watermark": _moment(row.watermark),
            }
        )
        for row in columns.collect()
    ]


def _published_at(spark: SparkSession, table: str, snapshot_id: int) -> datetime | None:
    rows = (
        spark.table(f"{table}.snapshots")
        .where(F.col("snapshot_id") == snapshot_id)
        .select(_micros("committed_at"))
        .collect()
    )
    return _moment(rows[0][0]) if rows else None


def _micros(name: str) -> Column:
    """A timestamp as microseconds; Python would get a timestamp in this machine's time zone."""
    return F.unix_micros(name).alias(name)


def _moment(micros: Any) -> Any:
    return None if micros is None else moment_at(micros)
