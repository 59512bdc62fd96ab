"""How a batch was judged, as artifacts of its flow run: text, a table and a chart.

Promise: each judged batch has them, also one that was not published; they hold counts, and names of
checks and columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.context import FlowRunContext, TaskRunContext

from tasks.observability.svg_bar_chart import Bar, bars, data_address
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tasks.transforms.checks.figure_text import (
    limit_text,
    metric_text,
    percent_text,
    share_text,
    threshold_text,
)
from tasks.transforms.checks.quality_score import Finding, Outcome
from tasks.transforms.checks.verdict import Verdict

_REFUSED, _WARNED, _STOPPED = "#b3541e", "#c79a00", "#8c1d18"
_OUTCOMES = (
    (Outcome.PASSED, "#0b6e4f"),
    (Outcome.FAILED, _REFUSED),
    (Outcome.NOT_EVALUATED, "#9aa5b1"),
)
_MOST_BARS = 20
_FORMULA = (
    "A refused row scores 0, any other 1 minus the weight of the heaviest check that it failed; "
    "the batch scores the mean of its rows.\n"
)


def artifact_key(prefix: str, contract: str) -> str:
    """The key of an artifact of a contract: Prefect takes small letters, digits and hyphens."""
    return f"{prefix}-{re.sub(r'[^a-z0-9-]+', '-', contract.lower())}"


def show_verdict(run: Run, staged: StagedBatch, verdict: Verdict) -> None:
    """Put the verdict on a batch, its findings and a chart of them on the page of its run.

    Outside of a flow run there is no page. A server that takes no artifact fails no load, and does
    not hide why one is stopped.
    """
    if FlowRunContext.get() is None and TaskRunContext.get() is None:
        return
    with suppress(Exception):
        create_quality_artifacts(run.name, run.target, run.batch_id, staged, verdict)


def create_quality_artifacts(
    contract: str, target: str, batch_id: str, staged: StagedBatch, verdict: Verdict
) -> None:
    """The artifacts of one verdict, in the current flow run.

    Raises:
        Exception: Whatever Prefect raises when it can't store them.
    """
    create_markdown_artifact(
        markdown=verdict_markdown(contract, target, batch_id, staged, verdict),
        key=artifact_key("quality", contract),
        description=f"How batch {batch_id} of {target} was judged",
    )
    if not verdict.findings:
        return
    create_table_artifact(
        table=[_finding_row(finding) for finding in verdict.findings],
        key=artifact_key("findings", contract),
        description=f"How the checks of {contract} went",
    )
    create_image_artifact(
        image_url=data_address(verdict_plot(verdict)),
        key=artifact_key("quality-plot", contract),
        description=f"What of batch {batch_id} failed which check",
    )


def verdict_markdown(
    contract: str, target: str, batch_id: str, staged: StagedBatch, verdict: Verdict
) -> str:
    """The verdict as Markdown: whether the gate was open, the figures, what was not evaluated."""
    state = "the gate was open" if verdict.passed else "the gate closed, nothing was published"
    if verdict.passed and verdict.score is None:
        state = "not evaluated, no row had to be judged"
    score = (
        "not evaluated" if verdict.score is None else share_text(verdict.score, verdict.threshold)
    )
    figures = (
        ("score", score, f"at least {threshold_text(verdict.threshold)}"),
        (
            "refused rows",
            percent_text(verdict.refused_percent, verdict.refused_limit),
            f"at most {limit_text(verdict.refused_limit)}",
        ),
        ("rows judged", f"{verdict.rows:,}", f"of {staged.rows_read:,} read"),
        ("rows in quarantine", f"{verdict.quarantined:,}", ""),
        *[
            (_name(each), metric_text(each.metric, each.limit), each.limit)
            for each in verdict.findings
            if each.limit
        ],
    )
    lines = "\n".join(
        f"| {_cell(name)} | {_cell(found)} | {_cell(limit)} |" for name, found, limit in figures
    )
    failed = sorted(
        (each for each in verdict.findings if each.failed), key=lambda each: -each.failed
    )
    missing = [each for each in verdict.findings if each.outcome == Outcome.NOT_EVALUATED]
    return "\n".join(
        [
            f"## {target}: {state}\n",
            f"Batch `{batch_id}`.\n",
            *_list("Why", [_cell(reason) for reason in verdict.reasons]),
            f"| | found | wanted |\n|---|---:|---|\n{lines}\n",
            *_list(
                "Rows failed",
                [
                    f"{_cell(_name(each))}: {each.failed:,} of {each.evaluated:,} "
                    f"({each.severity}, weight {each.weight:g})"
                    for each in failed
                ],
            ),
            *_list("Not evaluated", [f"{_cell(_name(e))}: {_cell(e.note)}" for e in missing]),
            _FORMULA,
            f"More: `strandline report {contract} --run {batch_id}`\n",
        ]
    )


def verdict_plot(verdict: Verdict) -> str:
    """The failed rows of each check that rows failed, as an SVG image."""
    failed = sorted(
        (each for each in verdict.findings if each.failed), key=lambda each: -each.failed
    )
    shown = [
        Bar(_name(each), each.failed, f"{each.failed:,} of {each.evaluated:,}", _hue(each))
        for each in failed[:_MOST_BARS]
    ]
    outcomes = [finding.outcome for finding in verdict.findings]
    counts = [
        Bar(outcome, outcomes.count(outcome), f"{outcomes.count(outcome):,}", hue)
        for outcome, hue in _OUTCOMES
    ]
    return bars([("checks", counts), *([("rows that failed", shown)] if shown else [])])


def _hue(finding: Finding) -> str:
    if finding.stops:
        return _STOPPED
    return _REFUSED if finding.severity == "refuse" else _WARNED


def _finding_row(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "columns": ", ".join(finding.columns),
        "outcome": str(finding.outcome),
        "severity": str(finding.severity),
        "failed": finding.failed,
        "evaluated": finding.evaluated,
        "weight": finding.weight,
        "metric": metric_text(finding.metric, finding.limit),
        "limit": finding.limit,
        "dimension": finding.dimension,
        "note": finding.note,
    }


def _list(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    return [f"**{title}**\n", *[f"- {entry}" for entry in entries], ""]


def _name(finding: Finding) -> str:
    return f"{finding.check} ({', '.join(finding.columns)})" if finding.columns else finding.check


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
