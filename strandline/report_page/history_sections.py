"""The sections about the runs of a table: scores, refused rows, checks, drift, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median

from strandline.page_elements.html_elements import Html, element
from strandline.page_elements.page_parts import (
    chart_with_table,
    check_name,
    columns_text,
    data_table,
    legend,
    metric_text,
    outcome_mark,
    percent,
    score_text,
    titled_section,
)
from strandline.queries.quality_report import CheckResult, QualityReport
from strandline.report_page.batch_labels import day_label, gate_mark, run_label
from strandline.report_page.check_heat_map import STEPS, Cell, heat_map, opacity
from strandline.report_page.run_line_chart import RunPoint, Scale, line_chart, small_line
from strandline.report_page.stacked_columns import StackedColumn, stacked_columns
from strandline.terminal.number_format import NOTHING, many
from tasks.transforms.checks.figure_text import limit_text, threshold_text
from tasks.transforms.checks.quality_score import Outcome

_MOST_CHECKS = 30
_SETTLED = ("held", "released", "mended", "gone", "discarded")


def score_chart(report: QualityReport) -> Html:
    """The score of each run, the threshold, and where the gate closed."""
    batches = report.batches
    now = report.batch
    scores = [batch.score for batch in batches if batch.score is not None]
    low = min([*scores, now.threshold]) * 100
    points = [
        RunPoint(
            day_label(batch),
            None if batch.score is None else batch.score * 100,
            f"{run_label(batch)}: {score_text(batch.score, batch.threshold)}, "
            + (
                "the gate closed: " + "; ".join(batch.reasons)
                if batch.closed
                else "the gate was open"
            ),
            stopped=batch.closed,
        )
        for batch in batches
    ]
    chart = line_chart(
        f"Score over {many(len(batches), 'run')}",
        points,
        Scale(
            low=max(0.0, low - (100 - low) * 0.15),
            high=100.0,
            written=lambda value: f"{value:g}%",
            limit=now.threshold * 100,
            limit_text=f"at least {threshold_text(now.threshold)}",
        ),
    )
    closings = sum(batch.closed for batch in batches)
    table = data_table(
        "Score of each run",
        ("Run (UTC)", "Score", "Threshold", "Gate"),
        [
            (
                run_label(each),
                score_text(each.score, each.threshold),
                threshold_text(each.threshold),
                gate_mark(each),
            )
            for each in reversed(batches)
        ],
        numbers={1, 2},
    )
    about = (
        f"{many(len(batches), 'run')}, the gate closed in {closings:,} of them (filled diamonds). "
        f"The dashed line is the threshold."
    )
    return titled_section("scores", "Score over runs", chart_with_table(chart, about, table))


def refused_chart(report: QualityReport) -> Html:
    """The share of refused rows of each run, with its limit."""
    batches, now = report.batches, report.batch
    most = max([each.refused_percent for each in batches] + [now.refused_limit])
    points = [
        RunPoint(
            day_label(batch),
            batch.refused_percent if batch.rows_judged else None,
            f"{run_label(batch)}: {percent(batch.refused_percent)} of {batch.rows_judged:,} rows",
            stopped=batch.closed and batch.refused_percent > batch.refused_limit,
        )
        for batch in batches
    ]
    chart = line_chart(
        f"Share of refused rows over {many(len(batches), 'run')}",
        points,
        Scale(
            low=0.0,
            high=most or 1.0,
            written=lambda value: f"{value:g}%",
            limit=now.refused_limit,
            limit_text=f"at most {limit_text(now.refused_limit)}",
        ),
    )
    table = data_table(
        "Refused rows of each run",
        ("Run (UTC)", "Rows judged", "Refused", "Limit"),
        [
            (
                run_label(each),
                f"{each.rows_judged:,}",
                percent(each.refused_percent if each.rows_judged else None, each.refused_limit),
                limit_text(each.refused_limit),
            )
            for each in reversed(batches)
        ],
        numbers={1, 2, 3},
    )
    about = "The dashed line is the limit; a diamond is a run that was stopped by it."
    return titled_section(
        "refused", "Refused rows over runs", chart_with_table(chart, about, table)
    )


def checks_over_runs(report: QualityReport) -> Html:
    """The checks that rows failed, by run: the more failed, the darker."""
    worst: dict[tuple[str, tuple[str, ...]], float] = {}
    for batch in report.batches:
        for result in batch.checks:
            name = result.check, result.columns
            worst[name] = max(worst.get(name, 0.0), result.share or 0.0)
    kept = sorted(worst, key=lambda key: (-worst[key], key))
    failing = [key for key in kept if worst[key] > 0]
    shown = failing[:_MOST_CHECKS]
    quiet = len(kept) - len(failing)
    if not shown:
        text = f"No row failed any of {many(len(kept), 'check')} in these runs."
        return titled_section("over-runs", "Checks over runs", element("p", text))
    rows = [
        (
            check if not columns else f"{check} · {', '.join(columns)}",
            _cells(report, check, columns),
        )
        for check, columns in shown
    ]
    chart = heat_map(
        f"Failed rows of {many(len(shown), 'check')} over {many(len(report.batches), 'run')}",
        rows,
        [day_label(batch) for batch in report.batches],
    )
    table = data_table(
        "Failed rows of each check and run",
        ("Run (UTC)", *[check_name(*key) for key in shown]),
        [
            (run_label(batch), *[_failed(batch.result_of(*key)) for key in shown])
            for batch in reversed(report.batches)
        ],
        numbers=set(range(1, len(shown) + 1)),
    )
    left_out = len(failing) - len(shown)
    about = "One row a check, one column a run, the oldest first. " + (
        f"{many(quiet, 'check')} without a failed row and {left_out:,} with fewer are left out."
        if left_out
        else f"{many(quiet, 'check')} without a failed row are left out."
    )
    colours = legend(
        [
            ("cell zero", "no row failed", None),
            *[("cell", f"up to {percent(100 * step)}", opacity(step)) for step in STEPS],
            ("cell skipped", "not evaluated", None),
        ]
    )
    return titled_section(
        "over-runs", "Checks over runs", chart_with_table(chart, about, table, key=colours)
    )


def drift_section(report: QualityReport) -> Html | None:
    """The metrics of whole batches over the runs; None: no check has one."""
    keys = [
        (each.check, each.columns)
        for each in report.batch.checks
        if any(
            (found := batch.result_of(each.check, each.columns)) and found.metric is not None
            for batch in report.batches
        )
    ]
    if not keys:
        return None
    return titled_section(
        "drift",
        "Drift of metrics",
        element(
            "p",
            "Each value of a whole batch, over the runs: the last one beside the median of those "
            "before it.",
        ),
        data_table(
            "Metrics over runs",
            (
                "Check",
                "Columns",
                "Over runs",
                "Now",
                "Median before",
                "Range before",
                "Limit",
                "Outcome",
            ),
            [_metric_row(report, check, columns) for check, columns in keys],
            numbers={3, 4, 5},
        ),
    )


def quarantine_section(report: QualityReport) -> Html:
    """The rows refused on each day, by what became of them since."""
    days = report.quarantine
    if not days:
        text = "No row of this table was ever refused."
        return titled_section("quarantine", "Quarantine over time", element("p", text))
    names = [
        name
        for name in (*_SETTLED, *sorted({n for d in days for n in d.settled} - {*_SETTLED}))
        if any(day.settled.get(name) for day in days)
    ]
    columns = [
        StackedColumn(
            day.day.isoformat(),
            {name: day.settled.get(name, 0) for name in names},
            f"{day.day.isoformat()}: {many(day.rows, 'row')} refused; "
            + ", ".join(f"{day.settled[n]:,} {n}" for n in names if day.settled.get(n)),
        )
        for day in days
    ]
    chart = stacked_columns(f"Refused rows of {many(len(days), 'day')}", columns)
    table = data_table(
        "Refused rows by day",
        ("Refused on (UTC)", "Rows", *names),
        [
            (
                day.day.isoformat(),
                f"{day.rows:,}",
                *[f"{day.settled.get(name, 0):,}" for name in names],
            )
            for day in reversed(days)
        ],
        numbers=set(range(1, len(names) + 2)),
    )
    held = sum(day.settled.get("held", 0) for day in days)
    refused = sum(day.rows for day in days)
    about = f"{many(held, 'row')} still held of {refused:,} refused. Other days had none."
    colours = legend([(f"part {name}", name, None) for name in names])
    return titled_section(
        "quarantine", "Quarantine over time", chart_with_table(chart, about, table, key=colours)
    )


def verdicts_section(report: QualityReport) -> Html:
    """Every run of the report with its verdict, newest first."""
    return titled_section(
        "verdicts",
        "All verdicts",
        data_table(
            f"{many(len(report.batches), 'run')}, newest first",
            ("Judged (UTC)", "Batch", "Gate", "Score", "Refused", "Rows judged", "Reasons"),
            [
                (
                    run_label(batch),
                    element("code", batch.batch_id),
                    gate_mark(batch),
                    score_text(batch.score, batch.threshold),
                    percent(
                        batch.refused_percent if batch.rows_judged else None, batch.refused_limit
                    ),
                    f"{batch.rows_judged:,}",
                    "; ".join(batch.reasons) or NOTHING,
                )
                for batch in reversed(report.batches)
            ],
            numbers={3, 4, 5},
        ),
        class_="long",
    )


def _cells(report: QualityReport, check: str, columns: tuple[str, ...]) -> Sequence[Cell]:
    name = check_name(check, columns)
    cells = []
    for batch in report.batches:
        result = batch.result_of(check, columns)
        at = f"{name}, {run_label(batch)}: "
        if result is None:
            cells.append(Cell(None, f"{at}not among the checks of this run", absent=True))
        elif result.share is None or result.outcome == Outcome.NOT_EVALUATED:
            cells.append(Cell(None, f"{at}not evaluated; {result.note}"))
        else:
            share = percent(100 * result.share)
            text = f"{at}{result.failed:,} of {result.evaluated:,} rows failed ({share})"
            cells.append(Cell(result.share, text))
    return cells


def _failed(result: CheckResult | None) -> str:
    if result is None or result.outcome == Outcome.NOT_EVALUATED:
        return NOTHING
    return f"{result.failed:,}"


def _metric_row(report: QualityReport, check: str, columns: tuple[str, ...]) -> Sequence[str]:
    found = [batch.result_of(check, columns) for batch in report.batches]
    values = [None if each is None else each.metric for each in found]
    now, before = found[-1], [v for v in values[:-1] if v is not None and isfinite(v)]
    name = f"{check_name(check, columns)} over {many(len(values), 'run')}"
    spread = NOTHING
    if before:
        spread = f"{metric_text(min(before))} to {metric_text(max(before))}"
    return (
        check,
        columns_text(columns),
        small_line(name, values),
        metric_text(values[-1]),
        metric_text(median(before) if before else None),
        spread,
        (now.limit if now else "") or NOTHING,
        outcome_mark(now.outcome) if now else NOTHING,
    )
