"""The sections about one batch: its verdict, the score on paper, its checks, its unusual rows."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.page_elements.html_elements import Html, element, joined
from strandline.page_elements.page_parts import (
    check_name,
    columns_text,
    data_table,
    metric_text,
    outcome_mark,
    percent,
    score_text,
    titled_section,
)
from strandline.queries.quality_report import CheckResult, JudgedBatch, QualityReport
from strandline.report_page.stacked_columns import share_bar
from strandline.terminal.number_format import NOTHING, many
from tasks.transforms.checks import figure_text
from tasks.transforms.checks.figure_text import limit_text, threshold_text
from tasks.transforms.checks.quality_score import Outcome

_ORDER = {Outcome.FAILED: 0, Outcome.NOT_EVALUATED: 1, Outcome.PASSED: 2}


def verdict_box(batch: JudgedBatch) -> Html:
    """Whether the batch was published, and if not, why."""
    if batch.closed:
        state = "released since" if batch.state == "published" else "nothing was published"
        return element(
            "div",
            element("strong", f"✕ The gate closed: {state}"),
            element("ul", *[element("li", reason) for reason in batch.reasons]),
            class_="verdict bad",
            role="status",
        )
    if batch.outcome == Outcome.NOT_EVALUATED:
        text = "No row of the batch had to be judged, so it is neither good nor bad."
        return element(
            "div",
            element("strong", "○ Not evaluated"),
            element("p", text),
            class_="verdict muted",
            role="status",
        )
    words = {
        "published": "published",
        "unchanged": "nothing new to publish",
        "refused": "stopped by a later step",
        "failed": "stopped by a later step",
    }
    state = words.get(batch.state or "", "not recorded as published")
    kind = "good" if batch.state in ("published", "unchanged") else "warn"
    return element(
        "div",
        element("strong", f"✓ The gate was open: {state}"),
        element(
            "p", "The score, the share of refused rows and every limit are within the contract."
        ),
        class_=f"verdict {kind}",
        role="status",
    )


def tiles(report: QualityReport) -> Html:
    """The figures of the batch at a glance."""
    batch = report.batch
    outcomes = [result.outcome for result in batch.checks]
    missing = outcomes.count(Outcome.NOT_EVALUATED)
    held = sum(day.settled.get("held", 0) for day in report.quarantine)
    shown = [
        (
            "Score",
            score_text(batch.score, batch.threshold),
            f"at least {threshold_text(batch.threshold)}",
        ),
        (
            "Refused rows",
            percent(batch.refused_percent, batch.refused_limit),
            f"at most {limit_text(batch.refused_limit)}",
        ),
        ("Rows judged", f"{batch.rows_judged:,}", f"of {batch.rows_read:,} that were read"),
        (
            "Checks failed",
            f"{outcomes.count(Outcome.FAILED):,}",
            f"of {len(outcomes):,}; {missing:,} not evaluated",
        ),
        ("Held in quarantine", f"{held:,}", "rows of all batches"),
    ]
    return element(
        "dl",
        *[
            element("div", element("dt", name), element("dd", figure, element("small", about)))
            for name, figure, about in shown
        ],
        class_="tiles",
    )


def score_section(batch: JudgedBatch) -> Html:
    """How the score follows from the rows, as one would work it out on paper, and the gate."""
    lost = None if batch.score is None else (1.0 - batch.score) * batch.rows_judged
    refused = round(batch.refused_percent * batch.rows_judged / 100.0)
    limits = [result for result in batch.checks if result.limit]
    broken = [result for result in limits if result.outcome == Outcome.FAILED]
    stopping = [result for result in broken if result.severity == "refuse"]
    rows: list[Sequence[str]] = [
        ("Rows judged", f"{batch.rows_judged:,}", "The rows of the batch that count."),
        ("Refused rows", f"{refused:,}", "Each scores 0, so it loses 1."),
        (
            "Lost to warnings",
            NOTHING if lost is None else metric_text(round(max(0.0, lost - refused), 4)),
            "Each other row loses the weight of the heaviest check that it failed.",
        ),
        (
            "Score",
            score_text(batch.score, batch.threshold),
            "Without rows there is no score."
            if lost is None
            else f"1 \N{MINUS SIGN} {metric_text(round(lost, 4))} ÷ {batch.rows_judged:,}",
        ),
    ]
    score = score_text(batch.score, batch.threshold)
    share_refused = percent(batch.refused_percent, batch.refused_limit)
    below = batch.score is not None and batch.score < batch.threshold
    many_refused = batch.refused_percent > batch.refused_limit
    gate: list[Sequence[str]] = [
        (
            "Score",
            f"{score}, at least {threshold_text(batch.threshold)}",
            _kept(not below, evaluated=batch.score is not None),
        ),
        (
            "Refused rows",
            f"{share_refused}, at most {limit_text(batch.refused_limit)}",
            _kept(not many_refused, evaluated=batch.rows_judged > 0),
        ),
        (
            "Limits of checks",
            _limits_text(len(limits), len(broken), len(stopping)),
            _kept(not stopping, evaluated=bool(limits)),
        ),
    ]
    return titled_section(
        "score",
        "The verdict on paper",
        element(
            "p",
            "The score of a row is 1 minus the weight of the heaviest check that it failed, and 0 "
            "if it was refused. The score of the batch is the mean of its rows. Checks that pass "
            "have no part in it, so adding some raises no score.",
        ),
        element(
            "div",
            data_table("How the score came about", ("Part", "Figure", "Why"), rows, numbers={1}),
            data_table(
                "What the gate asks; each of the three can close it",
                ("Rule", "Found", "Kept"),
                gate,
            ),
            class_="pair",
        ),
    )


def checks_section(batch: JudgedBatch) -> Html:
    """How each check of the batch went: those that failed first."""
    ordered = sorted(
        batch.checks,
        key=lambda each: (_ORDER[Outcome(each.outcome)], -(each.share or 0), each.check),
    )
    failed = sum(result.outcome == Outcome.FAILED for result in batch.checks)
    return titled_section(
        "checks",
        "Findings by check and column",
        element(
            "p",
            f"{many(len(batch.checks), 'check')}, {failed:,} failed. A check of severity refuse "
            "sends its rows to the quarantine; if it has a limit on the whole batch, it stops the "
            "batch instead.",
        ),
        data_table(
            "The checks of this batch",
            (
                "Check",
                "Columns",
                "Outcome",
                "Severity",
                "Failed",
                "Share",
                "Weight",
                "Limit of the batch",
                "Note",
            ),
            [_check_row(result) for result in ordered],
            numbers={4, 6},
        ),
        class_="long",
    )  # fmt: skip


def not_evaluated_section(batch: JudgedBatch) -> Html | None:
    """The checks without an outcome, and why; None: there are none."""
    missing = [result for result in batch.checks if result.outcome == Outcome.NOT_EVALUATED]
    if not missing:
        return None
    return titled_section(
        "not-evaluated",
        "Not evaluated",
        element("p", "These checks count neither for nor against the batch."),
        data_table(
            "Checks without an outcome",
            ("Check", "Columns", "Reason"),
            [(each.check, columns_text(each.columns), each.note or NOTHING) for each in missing],
        ),
    )


def unusual_section(report: QualityReport) -> Html | None:
    """Rows far from all others, and in which feature; None: nothing to tell."""
    counts, rows = report.unusual_counts, report.unusual_rows
    if not counts:
        return None
    most = max(counts.values())
    features = [
        (
            name,
            f"{count:,}",
            share_bar(f"{name}: {many(count, 'row')}", count / most, "warn"),
        )
        for name, count in counts.items()
    ]
    keys_shown = any(row.key is not None for row in rows)
    about = (
        "Rows that lie far from the centre of their cluster, by the feature that contributes most. "
        "A distance of 1 is the threshold."
    )
    hidden = "" if keys_shown else " A column of the key is sensitive, so no row is named here."
    farthest = [
        (
            *([row.key or NOTHING] if keys_shown else []),
            row.feature,
            metric_text(round(row.distance, 2)),
        )
        for row in rows
    ]
    return titled_section(
        "unusual",
        "Unusual rows",
        element("p", about + hidden),
        element(
            "div",
            data_table(
                "Why rows are unusual",
                ("Feature", "Rows", "Beside the most"),
                features,
                numbers={1},
            ),
            data_table(
                "The farthest rows",
                (*(["Key"] if keys_shown else []), "Feature", "Distance"),
                farthest,
                numbers={2 if keys_shown else 1},
            ),
            class_="pair",
        ),
    )


def _check_row(result: CheckResult) -> Sequence[str]:
    kind = " · ".join(part for part in (result.dimension, result.rule) if part)
    limit = NOTHING
    if result.limit:
        limit = f"{figure_text.metric_text(result.metric, result.limit)}, must be {result.limit}"
    return (
        joined((result.check, element("small", kind))),
        columns_text(result.columns),
        outcome_mark(result.outcome),
        result.severity,
        f"{result.failed:,} of {result.evaluated:,}" if result.evaluated else NOTHING,
        _share_cell(result),
        f"{result.weight:g}",
        limit,
        result.note or NOTHING,
    )


def _share_cell(result: CheckResult) -> str:
    if result.share is None:
        return NOTHING
    text = percent(100 * result.share)
    name = f"{check_name(result.check, result.columns)}: {text}"
    return joined((text, share_bar(name, result.share, result.severity)))


def _kept(kept: bool, *, evaluated: bool) -> Html:
    if not evaluated:
        return outcome_mark(Outcome.NOT_EVALUATED)
    return outcome_mark(Outcome.PASSED if kept else Outcome.FAILED, "kept" if kept else "not kept")


def _limits_text(limits: int, broken: int, stopping: int) -> str:
    return f"{limits - broken:,} of {limits:,} hold; {stopping:,} of the others stop the batch"
