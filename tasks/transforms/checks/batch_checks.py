"""The checks of a batch as a whole: how many rows, how new, how like the batches before it.

Promise: what can't be evaluated says so and why; it counts neither for nor against the batch. Each
finding says over what it was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from types import MappingProxyType

from contracts.model import Check, Comparison, Severity, Threshold, Unit
from contracts.model.check_registry import RULES
from history.planning.event_validation import ONE_ROW_A_KEY
from tasks.transforms.anomalies.anomaly_model import NotEvaluated
from tasks.transforms.anomalies.past_runs import unusual
from tasks.transforms.checks.batch_measures import QUARTILES, BatchMeasures, Statistic, measure
from tasks.transforms.checks.implicit_checks import VALUE_FITS
from tasks.transforms.checks.limited_metrics import NO_ROWS, compared, in_words, unevaluated
from tasks.transforms.checks.quality_score import Finding, Judged

FEWEST_BATCHES = 3
"""Fewer earlier batches say nothing about what is usual."""

ALL_ROWS_READ, FRESHNESS = "all_rows_read", "freshness"
ROWS, SCORE, REFUSED_PERCENT = "rows", "score", "refused_percent"
NULLS_PERCENT = "nulls_percent"
PAST_RUNS = "past_runs"
"""The rule of figures that are compared with those of past runs, and the figures."""

_NO_SMALLER = {ROWS: 1.0, SCORE: 0.005, REFUSED_PERCENT: 0.5, NULLS_PERCENT: 0.5}
"""What no figure has to deviate by less than to be unusual, in its own unit."""

_IN_PERCENT = (REFUSED_PERCENT, NULLS_PERCENT)
NULL_RULES = ("required", "null_values")
_ABOUT_NO_NULLS = (ONE_ROW_A_KEY, VALUE_FITS)
"""Implicit checks that stand under the rule `required` and say something else of a column."""

_NO_ROW_MISSING = Threshold(Comparison.EQUAL, (0.0,))
_OVER_BATCH = "over the rows of this batch that count"


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What is known of a batch beside its judged rows.

    Attributes:
        rows_read: The rows that left the source.
        rows_in_source: The source's own count of them, in the same state of the source.
        rows_counted: The rows that were judged and counted.
        full: Whether the whole source was read.
        read_at: The instant of the read, by the source's clock.
        newest: The greatest watermark that was read so far, up to the read; None: there is none.
        observed: What the pass measured, by the names of `batch_measures.measure`.
    """

    rows_read: int
    rows_in_source: int
    rows_counted: int
    full: bool
    read_at: datetime
    newest: datetime | None
    observed: Mapping[str, object] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How far the rows that were read are from the source's own count, either way."""
        return abs(self.rows_in_source - self.rows_read)


Past = Mapping[tuple[str, str], Sequence[float]]
"""The metrics of earlier batches that passed, oldest first, by check and column."""


def batch_findings(
    measures: BatchMeasures, facts: BatchFacts, past: Past, *, freshness_hours: float | None
) -> tuple[Finding, ...]:
    """The findings of all checks of the whole batch, those that no contract names first."""
    found = [all_rows_read(facts)]
    if freshness_hours is not None:
        found.append(freshness(facts, freshness_hours))
    for check in measures.checks:
        found += _BY_RULE[check.rule](check, measures, facts, past)
    return tuple(found)


def needs_past(measures: BatchMeasures) -> bool:
    """Whether a check compares the batch with earlier ones."""
    return any(check.rule in ("volume", "drift") for check in measures.checks)


def all_rows_read(facts: BatchFacts) -> Finding:
    """As many rows were read as the source counts, in the same state of it."""
    finding = Finding(
        check=ALL_ROWS_READ,
        columns=(),
        severity=Severity.REFUSE.value,
        failed=facts.missing,
        evaluated=facts.rows_in_source,
        rule="completeness",
        dimension="completeness",
        note="the source's own count of the rows to be read, in the same state of it",
    )
    return compared(finding, float(facts.missing), _NO_ROW_MISSING)


def freshness(facts: BatchFacts, hours: float) -> Finding:
    """The newest row that was ever read is no older than the contract's latency. It warns."""
    finding = Finding(
        check=FRESHNESS,
        columns=(),
        severity=Severity.WARN.value,
        failed=0,
        evaluated=facts.rows_read,
        weight=0.0,
        rule="freshness",
        dimension="timeliness",
        note="hours from the newest watermark to the read, by the source's clock",
    )
    limit = Threshold(Comparison.LESS_OR_EQUAL, (hours,))
    if facts.newest is None:
        return unevaluated(finding, "no row has a watermark", limit=in_words(limit))
    age = max((facts.read_at - facts.newest).total_seconds(), 0.0) / 3_600
    return compared(finding, round(age, 4), limit)


def null_rate(
    check: str, rule: str, columns: Sequence[str], failed: int, evaluated: int
) -> float | None:
    """The share of nulls in a column, in percent, from a finding; None: it is about no nulls."""
    about_nulls = rule in NULL_RULES and check not in _ABOUT_NO_NULLS and len(columns) == 1
    return 100.0 * failed / evaluated if about_nulls and evaluated else None


def past_run_findings(
    judged: Judged,
    findings: Sequence[Finding],
    past: Mapping[tuple[str, str], Sequence[tuple[datetime, float]]],
    at: datetime,
) -> Iterator[Finding]:
    """The figures of a batch against those of past runs, robust and by season. They warn.

    They are its rows, its score, its share of refused rows, and the shares of nulls in the columns
    whose nulls a check counts.

    Args:
        judged: The batch.
        findings: The findings of its rows.
        past: The figures of past batches with their moments, by name and column.
        at: When the batch was judged; timezone-aware.
    """
    figures: dict[tuple[str, str], float | None] = {
        (ROWS, ""): judged.rows,
        (SCORE, ""): judged.score,
        (REFUSED_PERCENT, ""): judged.refused_percent,
    }
    for each in findings:
        rate = null_rate(each.check, each.rule, each.columns, each.failed, each.evaluated)
        if rate is not None:
            figures.setdefault((NULLS_PERCENT, each.columns[0]), rate)
    for (name, column), value in figures.items():
        finding = Finding(
            check=f"usual_{name}",
            columns=(column,) if column else (),
            severity=Severity.WARN.value,
            failed=0,
            evaluated=judged.rows,
            weight=0.0,
            rule=PAST_RUNS,
            dimension="consistency",
        )
        if value is None or not judged.rows:
            yield unevaluated(finding, NO_ROWS)
            continue
        before = past.get((name, column), ())
        found = unusual(float(value), before, at, tolerance=_NO_SMALLER[name])
        if isinstance(found, NotEvaluated):
            yield replace(unevaluated(finding, found.reason), metric=float(value))
        else:
            unit = Unit.PERCENT if name in _IN_PERCENT else Unit.ROWS
            low = max(found.low, 0.0) if name in _IN_PERCENT else found.low
            limit = Threshold(Comparison.BETWEEN, (low, found.high), unit)
            yield compared(replace(finding, note=f"against {found.over}"), found.value, limit)


def _row_count(
    check: Check, _measures: BatchMeasures, facts: BatchFacts, _past: Past
) -> Iterator[Finding]:
    finding = _finding(check, facts)
    if not facts.full and not facts.rows_counted:
        yield _without_rows(check, finding)
    else:
        yield _limited(check, finding, float(facts.rows_counted))


def _sql(
    check: Check, _measures: BatchMeasures, facts: BatchFacts, _past: Past
) -> Iterator[Finding]:
    finding, value = _finding(check, facts), facts.observed.get(measure(check.id))
    if not facts.rows_counted:
        yield _without_rows(check, finding)
    elif not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        yield unevaluated(finding, "the query gives no number", limit=_limit_text(check))
    else:
        yield _limited(check, finding, float(value))


def _completeness(
    check: Check, _measures: BatchMeasures, facts: BatchFacts, _past: Past
) -> Iterator[Finding]:
    yield compared(_finding(check, facts), float(facts.missing), check.threshold or _NO_ROW_MISSING)


def _volume(
    check: Check, _measures: BatchMeasures, facts: BatchFacts, past: Past
) -> Iterator[Finding]:
    finding = _finding(check, facts, check_name=_of_kind(check.id, facts))
    earlier = _recent(check, past.get((finding.check, ""), ()))
    value = float(facts.rows_counted)
    if len(earlier) < FEWEST_BATCHES:
        yield _with_too_few(finding, value, earlier)
        return
    usual, percent = median(earlier), _number(check, "percent") / 100
    yield _between(finding, value, usual * (1 - percent), usual * (1 + percent), earlier)


def _drift(
    check: Check, measures: BatchMeasures, facts: BatchFacts, past: Past
) -> Iterator[Finding]:
    for column in check.columns:
        for statistic in measures.statistics(column):
            yield _drift_of(check, column, statistic, facts, past)


def _drift_of(
    check: Check, column: str, statistic: Statistic, facts: BatchFacts, past: Past
) -> Finding:
    name = _of_kind(f"{check.id}.{statistic}", facts)
    finding = _finding(check, facts, check_name=name, columns=(column,))
    value = _observed(facts, check.id, column, statistic)
    if not facts.rows_counted or value is None:
        reason = NO_ROWS if not facts.rows_counted else "the column has no values"
        return unevaluated(finding, reason)
    earlier = _recent(check, past.get((name, column), ()))
    if len(earlier) < FEWEST_BATCHES:
        return _with_too_few(finding, value, earlier)
    usual = median(earlier)
    if statistic is Statistic.NULLS_PERCENT:
        slack = _number(check, "nulls_percent_points")
    elif statistic is Statistic.DISTINCT:
        slack = abs(usual) * _number(check, "distinct_percent") / 100
    else:
        spread = _spread(check, column, facts, past) or abs(usual)
        slack = _number(check, "quantile_tolerance") * spread
    return _between(finding, value, usual - slack, usual + slack, earlier)


def _spread(check: Check, column: str, facts: BatchFacts, past: Past) -> float:
    """The usual distance of the quartiles."""
    lower, upper = (
        past.get((_of_kind(f"{check.id}.{each}", facts), column), ())
        for each in (Statistic.LOWER_QUARTILE, Statistic.UPPER_QUARTILE)
    )
    distances = [high - low for low, high in zip(lower, upper, strict=False)]
    return median(distances) if distances else 0.0


def _observed(facts: BatchFacts, check: str, column: str, statistic: Statistic) -> float | None:
    if statistic in QUARTILES:
        quartiles = facts.observed.get(measure(check, column, "quartiles"))
        found = quartiles[QUARTILES.index(statistic)] if isinstance(quartiles, list) else None
    else:
        found = facts.observed.get(measure(check, column, statistic))
    return float(found) if isinstance(found, int | float) else None


def _of_kind(name: str, facts: BatchFacts) -> str:
    """The name of a metric: full reads are compared with full reads, others with others."""
    return f"{name}.full" if facts.full else name


def _recent(check: Check, past: Sequence[float]) -> Sequence[float]:
    return past[-int(_number(check, "runs")) :]


def _number(check: Check, argument: str) -> float:
    given = check.arguments.get(argument, RULES[check.rule].defaults.get(argument))
    return float(str(given))


def _between(
    finding: Finding, value: float, low: float, high: float, past: Sequence[float]
) -> Finding:
    note = f"{_OVER_BATCH}, against the median of {len(past)} published batches"
    limit = Threshold(Comparison.BETWEEN, (low, high))
    return compared(replace(finding, note=note), value, limit)


def _with_too_few(finding: Finding, value: float, past: Sequence[float]) -> Finding:
    """Not evaluated, with its metric: later batches are compared with it."""
    reason = f"{len(past)} earlier batches were published, at least {FEWEST_BATCHES} are needed"
    return replace(unevaluated(finding, reason), metric=value)


def _finding(
    check: Check, facts: BatchFacts, *, check_name: str = "", columns: tuple[str, ...] | None = None
) -> Finding:
    return Finding(
        check=check_name or check.id,
        columns=check.columns if columns is None else columns,
        severity=check.severity.value,
        failed=0,
        evaluated=facts.rows_counted,
        weight=0.0,
        note=_OVER_BATCH,
        rule=check.rule,
        dimension=check.dimension,
    )


def _limited(check: Check, finding: Finding, value: float) -> Finding:
    limit = check.threshold or Threshold(Comparison.GREATER_OR_EQUAL, (0.0,))
    if limit.unit is Unit.PERCENT and finding.evaluated:
        value = 100.0 * value / finding.evaluated
    return compared(finding, value, limit)


def _without_rows(check: Check, finding: Finding) -> Finding:
    return unevaluated(finding, NO_ROWS, limit=_limit_text(check))


def _limit_text(check: Check) -> str:
    return "" if check.threshold is None else in_words(check.threshold)


_Evaluate = Callable[[Check, BatchMeasures, BatchFacts, Past], Iterator[Finding]]
_BY_RULE: Mapping[str, _Evaluate] = MappingProxyType(
    {
        "row_count": _row_count,
        "sql": _sql,
        "completeness": _completeness,
        "volume": _volume,
        "drift": _drift,
    }
)
"""How each rule of `contracts.model.check_registry` on the whole batch is evaluated."""
