"""What a flow run's page shows of each load: its counts, and where its rows and time went."""

from __future__ import annotations

from prefect.artifacts import create_image_artifact, create_markdown_artifact

from tasks.observability.quality_artifacts import artifact_key
from tasks.observability.svg_bar_chart import Bar, bars, data_address
from tasks.run.step_results import LoadSummary
from tasks.transforms.checks.figure_text import share_text, threshold_text

_OPENED, _REFUSED, _QUIET = "#0b6e4f", "#b3541e", "#9aa5b1"


def show_load(summary: LoadSummary) -> None:
    """Put the summary of a load and a plot on the run's page; its verdict is there already."""
    create_markdown_artifact(
        markdown=summary_markdown(summary),
        key=artifact_key("load", summary.contract),
        description=f"What batch {summary.batch_id} did to {summary.target}",
    )
    create_image_artifact(
        image_url=data_address(load_plot(summary)),
        key=artifact_key("plot", summary.contract),
        description=f"Where the rows and the time of batch {summary.batch_id} went",
    )


def summary_markdown(summary: LoadSummary) -> str:
    """The counts of a load as Markdown."""
    staged, report, verdict = summary.staged, summary.report, summary.verdict
    score = (
        "not evaluated" if verdict.score is None else share_text(verdict.score, verdict.threshold)
    )
    state = "published" if report.published else "nothing to publish"
    rows = (
        ("rows read", staged.rows_read),
        ("rows refused", staged.refused + sum(report.refused.values())),
        ("rows that say nothing", staged.ignored),
        ("rows known already", staged.repeated + report.repeated),
        *([("rows erased or retired", staged.erased)] if staged.erased else []),
        ("versions opened", report.opened),
        ("versions closed", report.closed),
        ("late events", report.late),
        ("deletes", report.deleted),
        *([("refused before, mended since", summary.mended)] if summary.mended else []),
        *([("refused before, gone since", summary.gone)] if summary.gone else []),
    )
    lines = "\n".join(f"| {label} | {count:,} |" for label, count in rows)
    read_as = (
        f"The contract does not say what its source is. It was read as {summary.source_kind}, as "
        f"{summary.taken_because}.\n\n"
        if summary.taken_because
        else ""
    )
    return (
        f"## {summary.target}: {state}\n\n"
        f"Batch `{summary.batch_id}`, {summary.elapsed_seconds:.1f} s, "
        f"quality {score} (at least {threshold_text(verdict.threshold)} wanted).\n\n"
        f"| | count |\n|---|---:|\n{lines}\n\n"
        f"{read_as}See the versions of one key: `strandline history {summary.contract} KEY`\n"
    )


def load_plot(summary: LoadSummary) -> str:
    """Where the rows of a load went, and where its time went, as an SVG image."""
    staged, report = summary.staged, summary.report
    rows = (
        ("opened versions", report.opened, _OPENED),
        ("unchanged", report.unchanged, _QUIET),
        ("known already", staged.repeated + report.repeated, _QUIET),
        ("say nothing", staged.ignored, _QUIET),
        ("refused", staged.refused + sum(report.refused.values()), _REFUSED),
    )
    return bars(
        [
            ("rows", [Bar(label, count, f"{count:,}", hue) for label, count, hue in rows]),
            (
                "seconds",
                [Bar(step, took, f"{took:.1f} s") for step, took in summary.step_seconds.items()],
            ),
        ]
    )
