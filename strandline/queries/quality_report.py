"""How the batches of a table were judged: what a quality report shows, read from the ledgers.

Promise: counts, metrics, and names of checks, columns and features; of rows at most their keys,
and those only where no column of the key is sensitive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from contracts.errors import NotFoundError, UsageError
from contracts.model import Classification, Contract
from contracts.schemas.column_lineage import ColumnLineage, column_lineage
from flows.flow_run import run_in
from strandline.queries.ledger_queries import RunMetrics, key_text, read_runs
from strandline.queries.open_lakehouse import Lakehouse
from strandline.queries.parse_key_argument import example
from tasks.observability.quality_ledger import BATCH, CHECK, QUALITY_FINDINGS, UNUSUAL_ROWS
from tasks.transforms.checks.quality_score import Outcome

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLEAR = {Classification.PUBLIC, Classification.INTERNAL}
_REPLACED = "replaced"
"""Such a row is kept a second time, as the history refused it, and counts there."""
_FARTHEST = 20
"""So many unusual rows are named."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check went over one batch; see `tasks.transforms.checks.quality_score.Finding`."""

    check: str
    rule: str
    columns: tuple[str, ...]
    dimension: str
    severity: str
    outcome: str
    failed: int
    evaluated: int
    weight: float
    metric: float | None
    limit: str
    note: str

    @property
    def share(self) -> float | None:
        """The share of rows that failed; None: the check looked at no row."""
        return self.failed / self.evaluated if self.evaluated else None


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """One batch as it was judged.

    `outcome` is that of the gate: passed (open), failed (closed) or not evaluated. `state` is how
    its run ended; None: that was not recorded. Percentages are 0 to 100, scores 0 to 1.
    """

    contract: str
    contract_version: str
    batch_id: str
    job_id: str
    judged_at: datetime
    outcome: str
    state: str | None
    rows_read: int
    rows_judged: int
    rows_quarantined: int
    score: float | None
    threshold: float
    refused_percent: float
    refused_limit: float
    reasons: tuple[str, ...]
    checks: tuple[CheckResult, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the gate was closed: nothing of the batch was published."""
        return self.outcome == Outcome.FAILED

    def result_of(self, check: str, columns: tuple[str, ...]) -> CheckResult | None:
        """How that check of those columns went; None: the batch did not have it."""
        return next((r for r in self.checks if (r.check, r.columns) == (check, columns)), None)


@dataclass(frozen=True, slots=True)
class QuarantineDay:
    """The rows that were refused on one day (UTC), by what became of them since."""

    day: date
    settled: Mapping[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.settled.values())


@dataclass(frozen=True, slots=True)
class UnusualRow:
    """A row far from all others. `distance` is in multiples of the threshold.

    `key` is None where a column of the key is sensitive.
    """

    feature: str
    distance: float
    key: str | None


@dataclass(frozen=True, slots=True)
class QualityReport:
    """One judged batch of a table, with those before it, oldest first; it is the last of them.

    `runs` are the table's runs up to that batch's, oldest first. `source` is the relation and its
    block, `lineage` that of the columns, as the contract says now. `key_example` is the key as an
    argument, with the names of columns in place of values.
    """

    contract: str
    table: str
    batches: tuple[JudgedBatch, ...]
    runs: tuple[RunMetrics, ...] = ()
    source: str = ""
    lineage: tuple[ColumnLineage, ...] = ()
    key_example: str = ""
    quarantine: tuple[QuarantineDay, ...] = ()
    unusual_counts: Mapping[str, int] = field(default_factory=dict)
    unusual_rows: tuple[UnusualRow, ...] = ()

    @property
    def batch(self) -> JudgedBatch:
        """The batch that the report is about."""
        return self.batches[-1]


def contract_of_run(lake: Lakehouse, run: str) -> Contract:
    """The contract of the table that a batch, a run or a flow run loaded.

    Raises:
        NotFoundError: No batch of that run was judged.
        UsageError: The flow run loaded several tables.
    """
    contracts = lake.contracts()
    ledger = lake.ledger(QUALITY_FINDINGS)
    found = (
        set()
        if ledger is None
        else {
            row.contract
            for row in ledger.where((F.col("grain") == BATCH) & _of_run(run, contracts))
            .select("contract")
            .distinct()
            .collect()
        }
    )
    known = sorted(found & contracts.keys())
    if len(known) > 1:
        raise UsageError(
            where=f"run {run}",
            expected="a run of one table",
            found=f"one of {', '.join(known)}",
            next_step=f"strandline report {known[0]} --run {run}",
        )
    if not known:
        raise _no_such_run(run, "strandline report TABLE shows the newest batch of a table.")
    return contracts[known[0]]


def read_report(
    lake: Lakehouse, contract: Contract, run: str | None, *, limit: int
) -> QualityReport:
    """The newest judged batch of a table, or that of a run, with at most `limit` in all.

    Args:
        lake: The lakehouse.
        contract: The table's contract.
        run: A batch, a run's id or a flow run's; None: the newest batch.
        limit: The most batches.

    Raises:
        NotFoundError: The table has no such batch.
    """
    ledger, table = lake.ledger(QUALITY_FINDINGS), lake.target(contract)
    batches = [] if ledger is None else _batches(ledger, contract, table, run, limit=limit)
    if ledger is None or not batches:
        if run is not None:
            raise _no_such_run(run, f"strandline report {contract.name} shows the newest batch.")
        raise NotFoundError(
            where=table,
            expected="at least one batch that was judged",
            found="none",
            next_step=f"strandline run {contract.name}",
        )
    names = [row.batch_id for row in batches]
    checks = _checks(ledger, table, names)
    metrics = lake.ledger("run_metrics")
    states = _states(metrics, table, names)
    counts, farthest = _unusual(lake.ledger(UNUSUAL_ROWS), contract, table, names[0])
    return QualityReport(
        contract=contract.name,
        table=table,
        batches=tuple(
            _batch(row, states.get(row.batch_id), checks.get(row.batch_id, ()))
            for row in reversed(batches)
        ),
        runs=_runs(metrics, table, names[0], limit=limit),
        source=f"{contract.source.relation} of {contract.source.connection}",
        lineage=column_lineage(contract),
        key_example=example(contract),
        quarantine=_quarantine(lake.ledger("quarantine"), table, days=limit),
        unusual_counts=counts,
        unusual_rows=farthest,
    )


def _no_such_run(run: str, next_step: str) -> NotFoundError:
    return NotFoundError(
        where=f"run {run}",
        expected="a batch, a run or a flow run that was judged",
        found="none of that name",
        next_step=next_step,
    )


def _of_run(run: str, contracts: Iterable[str]) -> Column:
    """A user has a batch's name, a run's id, or the id of a flow run that loads several tables."""
    runs = [run, *[run_in(run, contract) for contract in contracts]]
    return (F.col("batch_id") == run) | F.col("job_id").isin(runs)


def _batches(
    ledger: DataFrame, contract: Contract, table: str, run: str | None, *, limit: int
) -> list[Row]:
    """Newest first."""
    judged = ledger.where((F.col("target_table") == table) & (F.col("grain") == BATCH))
    if run is not None:
        rows = judged.where(_of_run(run, [contract.name])).agg(F.max("judged_at")).collect()
        judged = judged.where(F.col("judged_at") <= F.lit(rows[0][0]))
    newest = judged.orderBy(F.col("judged_at").desc(), "batch_id").limit(limit)
    return newest.select("*", _micros("judged_at").alias("at")).collect()


def _checks(
    ledger: DataFrame, table: str, batches: Sequence[str]
) -> Mapping[str, Sequence[CheckResult]]:
    of_batches = (F.col("target_table") == table) & F.col("batch_id").isin([*batches])
    found: dict[str, list[CheckResult]] = {}
    rows = ledger.where(of_batches & (F.col("grain") == CHECK))
    for row in rows.orderBy("batch_id", "check", "columns").collect():
        found.setdefault(row.batch_id, []).append(
            CheckResult(
                check=row["check"],
                rule=row["rule"] or "",
                columns=tuple(row["columns"] or ()),
                dimension=row["dimension"] or "",
                severity=row["severity"],
                outcome=row["outcome"],
                failed=row["failed"],
                evaluated=row["evaluated"],
                weight=row["weight"],
                metric=row["metric"],
                limit=row["limit"] or "",
                note=row["note"] or "",
            )
        )
    return found


def _states(ledger: DataFrame | None, table: str, batches: Sequence[str]) -> Mapping[str, str]:
    if ledger is None:
        return {}
    rows = (
        ledger.where((F.col("target_table") == table) & F.col("batch_id").isin([*batches]))
        .groupBy("batch_id")
        .agg(F.max_by("state", F.coalesce("end_time", "start_time")).alias("state"))
        .collect()
    )
    return {row.batch_id: row.state for row in rows}


def _runs(
    ledger: DataFrame | None, table: str, batch_id: str, *, limit: int
) -> tuple[RunMetrics, ...]:
    """The runs of a table up to those of a batch; all, where the batch has none."""
    if ledger is None:
        return ()
    own = ledger.where(F.col("target_table") == table)
    of_batch = own.where(F.col("batch_id") == batch_id)
    last = of_batch.agg(F.max(_micros("start_time"))).collect()[0][0]
    until = own if last is None else own.where(_micros("start_time") <= F.lit(last))
    return tuple(reversed(read_runs(until, limit=limit)))


def _batch(row: Row, state: str | None, checks: Sequence[CheckResult]) -> JudgedBatch:
    return JudgedBatch(
        contract=row.contract,
        contract_version=row.contract_version or "",
        batch_id=row.batch_id,
        job_id=row.job_id,
        judged_at=_moment(row["at"]),
        outcome=row.outcome,
        state=state,
        rows_read=row.rows_read,
        rows_judged=row.rows_judged,
        rows_quarantined=row.rows_quarantined,
        score=row.score,
        threshold=row.threshold,
        refused_percent=row.refused_percent,
        refused_limit=row.refused_limit,
        reasons=tuple(row.reasons or ()),
        checks=tuple(checks),
    )


def _unusual(
    ledger: DataFrame | None, contract: Contract, table: str, batch_id: str
) -> tuple[Mapping[str, int], tuple[UnusualRow, ...]]:
    if ledger is None:
        return {}, ()
    clear = all(
        column.protection is None and column.classification in _CLEAR
        for column in map(contract.column, contract.key)
    )
    of_batch = ledger.where((F.col("target_table") == table) & (F.col("batch_id") == batch_id))
    key = F.col("record_key") if clear else F.lit(None).cast("string").alias("record_key")
    rows = (
        of_batch.select("feature", "distance", "feature_rows", key)
        .orderBy(F.col("distance").desc(), "record_key")
        .collect()
    )
    counts = {row.feature: row.feature_rows for row in rows}
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))), tuple(
        UnusualRow(row.feature, row.distance, key_text(row.record_key) if clear else None)
        for row in rows[:_FARTHEST]
    )


def _quarantine(ledger: DataFrame | None, table: str, *, days: int) -> tuple[QuarantineDay, ...]:
    """The last days on which rows were refused, oldest first."""
    if ledger is None:
        return ()
    # The rows of an earlier release have no other sign of being settled.
    released = F.when(F.col("released_at").isNotNull(), "released")
    how = F.coalesce("settled_how", released) if "settled_how" in ledger.columns else released
    how = F.coalesce(how, F.lit("held"))
    day = F.floor(F.unix_micros("refused_at") / F.lit(86_400_000_000)).cast("int")
    counted = (
        ledger.where(F.col("target_table") == table)
        .where(how != _REPLACED)
        .groupBy(day.alias("day"), how.alias("how"))
        .count()
        .collect()
    )
    found: dict[int, dict[str, int]] = {}
    for row in counted:
        found.setdefault(row["day"], {})[row["how"]] = row["count"]
    return tuple(
        QuarantineDay(_EPOCH.date() + timedelta(days=number), found[number])
        for number in sorted(found)[-days:]
    )


def _micros(name: str) -> Column:
    """A timestamp as microseconds; Python would get a timestamp in this machine's time zone."""
    return F.unix_micros(name)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
