"""A quality report with made-up figures that has something of everything: for pictures and tests.

It tells of a table over a month: most loads pass, two are stopped, one of them by a limit of its
own, one has no rows, and a check is added on the way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from contracts.loader import TABLES, find_contract
from contracts.schemas.column_lineage import column_lineage
from strandline.queries.ledger_queries import RunMetrics
from strandline.queries.quality_report import (
    CheckResult,
    JudgedBatch,
    QualityReport,
    QuarantineDay,
    UnusualRow,
)
from tasks.transforms.checks.quality_score import Outcome

_FIRST = datetime(2024, 4, 2, 3, 30, tzinfo=UTC)
_RUNS = 28
_BAD_DAY, _DRIFTED, _EMPTY, _ADDED = 11, 27, 18, 8
_SURGE = 4


def example_report() -> QualityReport:
    """The newest of the batches: its gate was closed, by three of its rules."""
    batches = tuple(_batch(number) for number in range(_RUNS))
    contract = find_contract("new_source_table", TABLES)
    return QualityReport(
        contract="aircraft",
        table="lake.target_schema.aircraft",
        batches=batches,
        runs=tuple(_run(number, batch) for number, batch in enumerate(batches)),
        source=f"{contract.source.relation} of {contract.source.connection}",
        lineage=column_lineage(contract),
        key_example="TAIL_NUMBER",
        quarantine=tuple(
            QuarantineDay(
                (_FIRST + timedelta(days=number)).date(),
                _settled(number, round(batch.refused_percent * batch.rows_judged / 100)),
            )
            for number, batch in enumerate(batches)
            if batch.refused_percent
        ),
        unusual_counts={"arrival_delay": 31, "air_time": 12, "distance": 4},
        unusual_rows=(
            UnusualRow("arrival_delay", 9.84, "N14228"),
            UnusualRow("arrival_delay", 7.31, "N24211"),
            UnusualRow("distance", 6.02, "N619AA"),
            UnusualRow("air_time", 3.77, "N804JB"),
            UnusualRow("air_time", 2.16, "N668DN"),
            UnusualRow("arrival_delay", 1.42, "N39463"),
        ),
    )


def _wave(number: int, salt: int) -> float:
    """Between 0 and 1, and the same each time."""
    return (number * 7919 + salt * 104_729) % 997 / 997


def _batch(number: int) -> JudgedBatch:
    rows = 0 if number == _EMPTY else 26_000 + round(5_000 * _wave(number, 1))
    surge = _SURGE if number in (_BAD_DAY, _DRIFTED) else 0
    refused = round(rows * (0.004 + 0.009 * _wave(number, 2) + 0.02 * surge))
    warned = round(rows * (0.01 + 0.02 * _wave(number, 3)))
    nulls = 0.9 + 0.8 * _wave(number, 4) + 1.6 * max(0, number - 22)
    checks = _checks(number, rows, refused, warned, nulls)
    judged_at = _FIRST + timedelta(days=number)
    limit, threshold = 5.0, 0.95
    score = 1 - (refused + 0.25 * warned) / rows if rows else None
    percent = 100 * refused / rows if rows else 0.0
    reasons = []
    if score is not None and score < threshold:
        worst = f"tail_number_required: {refused} of {rows}"
        reasons.append(f"the score is {score:.2%} ({worst})")
    if percent > limit:
        reasons.append(f"{percent:.2f} % of the rows were refused, at most {limit:g} % may be")
    reasons += [
        f"{each.check} ({', '.join(each.columns)}) is {each.metric:g}, must be {each.limit}"
        for each in checks
        if each.outcome == Outcome.FAILED and each.limit and each.severity == "refuse"
    ]
    evaluated = Outcome.PASSED if rows else Outcome.NOT_EVALUATED
    return JudgedBatch(
        contract="aircraft",
        contract_version="1.4.0",
        batch_id=f"BATCH_{judged_at:%Y%m%d_%H%M%S}_{number * 0x1F3A7 + 0xA41C0:08x}",
        job_id=f"5d0c8f0e-6a51-5b1e-9d3f-{number:012x}",
        judged_at=judged_at,
        outcome=Outcome.FAILED if reasons else evaluated,
        state="refused" if reasons else "published" if rows else "unchanged",
        rows_read=rows + 1_200,
        rows_judged=rows,
        rows_quarantined=refused,
        score=score,
        threshold=threshold,
        refused_percent=percent,
        refused_limit=limit,
        reasons=tuple(reasons),
        checks=checks,
    )


def _run(number: int, batch: JudgedBatch) -> RunMetrics:
    """The run of a batch; it took longer the more it opened."""
    published = batch.state == "published"
    opened = round(batch.rows_judged * (0.55 + 0.3 * _wave(number, 7))) if published else 0
    late = 40 if number % 9 == 4 and published else 0  # noqa: PLR2004
    steps = {
        "extract": 900 + round(400 * _wave(number, 8)),
        "protect": 2_100 + opened // 12,
        "validate": 1_300 + round(500 * _wave(number, 9)),
    }
    if published:
        steps |= {"merge": 3_000 + opened // 9, "audit": 1_100, "publish": 260}
    began = batch.judged_at - timedelta(milliseconds=4_300 + sum(steps.values()))
    return RunMetrics(
        contract=batch.contract,
        target_table="lake.target_schema.aircraft",
        batch_id=batch.batch_id,
        job_id=batch.job_id,
        state=batch.state or "",
        start_time=began,
        end_time=began + timedelta(milliseconds=1_900 + sum(steps.values())),
        watermark=batch.judged_at - timedelta(minutes=12) if published else None,
        rows_read=batch.rows_read,
        rows_refused=batch.rows_quarantined,
        rows_ignored=0,
        rows_repeated=1_200,
        rows_erased=0,
        versions_opened=opened if batch.state != "refused" else None,
        versions_closed=round(opened * 0.93) if number else 0,
        late=late,
        deleted=round(opened * 0.01),
        data_quality_score=batch.score,
        memory_usage_mb=812.5 + number,
        cpu_usage_percent=140.0 + round(30 * _wave(number, 10)),
        files_read=6 if published else 0,
        bytes_read=4_200_000 + 61_000 * number if published else 0,
        files_written=4 if published else 0,
        bytes_written=1_700_000 + 40 * opened if published else 0,
        spilled_bytes=None,
        commit_retries=1 if number == _ADDED else 0,
        error_kind="QualityError" if batch.closed else None,
        step_milliseconds=steps,
    )


def _checks(
    number: int, rows: int, refused: int, warned: int, nulls: float
) -> tuple[CheckResult, ...]:
    nothing = Outcome.NOT_EVALUATED if not rows else None

    def check(
        name: str, columns: str, rule: str, dimension: str, severity: str, failed: int,
        weight: float = 1.0,
    ) -> CheckResult:  # fmt: skip
        outcome = nothing or (Outcome.FAILED if failed else Outcome.PASSED)
        return CheckResult(
            name, rule, tuple(columns.split()), dimension, severity, outcome, failed, rows, weight,
            metric=None, limit="", note="" if rows else "no rows",
        )  # fmt: skip

    found = [
        check("tail_number_required", "tail_number", "not_null", "completeness", "refuse", refused),
        check("key_present", "tail_number", "key", "completeness", "refuse", 0),
        check(
            "destination_listed", "destination", "in_set", "validity", "warn", warned, weight=0.25
        ),
        check(
            "arrives_after_departure", "departed_at arrived_at", "not_before", "consistency",
            "warn", round(warned * 0.06 * _wave(number, 5)), weight=0.25,
        ),
        check("distance_range", "distance", "range", "accuracy", "warn", 0, weight=0.5),
    ]  # fmt: skip
    share = replace(
        check("seats_null_share", "seats", "null_values", "completeness", "refuse", 0),
        failed=round(rows * nulls / 100),
        metric=round(nulls, 3) if rows else None,
        limit="at most 5%",
    )
    if rows:
        share = replace(share, outcome=Outcome.FAILED if nulls > 5 else Outcome.PASSED)  # noqa: PLR2004
    volume = replace(
        check("volume", "", "volume", "coverage", "warn", 0),
        evaluated=0,
        metric=float(rows),
        limit="between 14,000 and 42,000",
        note="the median of the 10 loads before, 50% up and down",
        outcome=Outcome.PASSED if rows else Outcome.FAILED,
    )
    found += [share, volume]
    if number >= _ADDED:
        found.append(
            check("aircraft_registered", "tail_number", "references", "integrity", "warn",
                  round(rows * 0.009 * (1 + _wave(number, 6))), weight=0.25)
        )  # fmt: skip
    drift = check("distance_drift", "distance", "drift", "accuracy", "warn", 0, weight=0.0)
    fewer = "fewer than 8 past loads on this weekday: 4"
    found.append(replace(drift, evaluated=0, outcome=Outcome.NOT_EVALUATED, note=fewer))
    return tuple(found)


def _settled(number: int, refused: int) -> dict[str, int]:
    if number < _BAD_DAY:
        mended = round(refused * 0.7)
        return {"mended": mended, "released": refused - mended}
    if number == _BAD_DAY:
        return {"released": round(refused * 0.8), "discarded": round(refused * 0.2)}
    if number < _DRIFTED - 7:
        return {"mended": round(refused * 0.6), "held": round(refused * 0.4)}
    return {"held": refused}
