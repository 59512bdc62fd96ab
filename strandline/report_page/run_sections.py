"""The sections about the runs of a table: what became of its versions, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.page_elements.html_elements import Html, element
from strandline.page_elements.page_parts import (
    chart_with_table,
    data_table,
    legend,
    metric_text,
    titled_section,
)
from strandline.queries.ledger_queries import RunMetrics
from strandline.queries.quality_report import QualityReport
from strandline.report_page.opened_closed_columns import VersionColumn, version_columns
from strandline.report_page.run_line_chart import RunPoint, Scale, line_chart
from strandline.report_page.stacked_columns import share_bar
from strandline.terminal.number_format import NOTHING, count, duration, many, minute, size
from tasks.run.progress_listeners import STEPS

_PUBLISHED = ("published", "unchanged")


def versions_section(report: QualityReport) -> Html | None:
    """The versions that each run opened and closed; None: no run is recorded."""
    runs = report.runs
    if not runs:
        return None
    columns = [
        VersionColumn(
            run.start_time.date().isoformat(),
            run.versions_opened or 0,
            run.versions_closed or 0,
            _versions_text(run),
        )
        for run in runs
    ]
    opened = sum(each.opened for each in columns)
    closed = sum(each.closed for each in columns)
    chart = version_columns(f"Versions opened and closed by {many(len(runs), 'run')}", columns)
    table = data_table(
        "What each run did to the history",
        ("Run (UTC)", "State", "Opened", "Closed", "Late", "Deleted", "Source read until (UTC)"),
        [
            (
                minute(run.start_time),
                run.state,
                count(run.versions_opened),
                count(run.versions_closed),
                count(run.late),
                count(run.deleted),
                minute(run.watermark),
            )
            for run in reversed(runs)
        ],
        numbers={2, 3, 4, 5},
    )
    about = (
        f"{many(len(runs), 'run')} opened {many(opened, 'version')} and closed {closed:,}. Late "
        "changes took their place before a version that was there already; deleted ones ended a "
        "record."
    )
    key = legend([("part opened", "opened", None), ("part closing", "closed", None)])
    return titled_section(
        "versions", "Timeline of versions", chart_with_table(chart, about, table, key=key)
    )


def cost_section(report: QualityReport) -> Html | None:
    """What the runs cost: time by step, rows, bytes, memory; None: no run is recorded."""
    runs = report.runs
    timed = [run for run in runs if run.seconds is not None]
    if not timed:
        return None
    most = max(run.seconds or 0.0 for run in timed)
    points = [
        RunPoint(
            run.start_time.date().isoformat(),
            run.seconds,
            _cost_text(run),
            stopped=run.state not in _PUBLISHED,
        )
        for run in runs
    ]
    chart = line_chart(
        f"Time of {many(len(runs), 'run')}",
        points,
        Scale(low=0.0, high=most or 1.0, written=lambda value: f"{value:g} s"),
    )
    table = data_table(
        "What each run cost",
        (
            "Run (UTC)", "Time", "Rows read", "Rows a second", "Files read", "Read",
            "Files written", "Written", "Memory", "Processor", "Spilled", "Planned anew",
        ),
        [_cost_row(run) for run in reversed(runs)],
        numbers=set(range(1, 12)),
    )  # fmt: skip
    about = (
        "Seconds of each run; a diamond is one that published nothing. Read and written are the "
        "table's own files; of a file that was read, at most all of it."
    )
    parts = [chart_with_table(chart, about, table)]
    steps = _steps(runs[-1])
    if steps is not None:
        parts.insert(0, steps)
    return titled_section("cost", "What the runs cost", *parts)


def next_section(report: QualityReport) -> Html:
    """What to type next, the most pressing first."""
    return titled_section(
        "next",
        "Next steps",
        element(
            "dl",
            *[
                element("div", element("dt", element("code", command)), element("dd", why))
                for command, why in next_steps(report)
            ],
            class_="commands",
        ),
    )


def next_steps(report: QualityReport) -> list[tuple[str, str]]:
    """Commands that follow from the batch, each with the reason; the most pressing first."""
    name, batch = report.contract, report.batch
    found = []
    if batch.rows_quarantined or any(day.settled.get("held") for day in report.quarantine):
        found.append((f"strandline quarantine {name}", "the refused rows, with their reasons"))
    if batch.closed and batch.state != "published":
        found.append(
            (
                f"strandline quarantine publish {name} {batch.batch_id} --reason '...'",
                "publishes the batch after all, where a person has examined it",
            )
        )
        found.append((f"strandline run {name}", "loads again, once the source is corrected"))
    elif batch.state in ("refused", "failed"):
        found.append((f"strandline runs {name}", "how the step failed that stopped the batch"))
        found.append((f"strandline run {name}", "loads again"))
    else:
        found.append((f"strandline plan {name}", "what the next run would do"))
        found.append((f"strandline verify {name}", "compares the history with the source"))
    if report.key_example:
        key = report.key_example
        found.append((f"strandline history {name} {key}", "the versions of one record"))
        found.append(
            (f"strandline lineage {name} --key {key}", "the source row, batch and run of each")
        )
    return found


def _versions_text(run: RunMetrics) -> str:
    if run.state not in _PUBLISHED:
        return f"{minute(run.start_time)}: {run.state}, nothing was published"
    return (
        f"{minute(run.start_time)}: {count(run.versions_opened)} opened, "
        f"{count(run.versions_closed)} closed, {count(run.late)} late, {count(run.deleted)} deleted"
    )


def _cost_text(run: RunMetrics) -> str:
    took = NOTHING if run.seconds is None else duration(run.seconds)
    return (
        f"{minute(run.start_time)}: {took}, {count(run.rows_read)} rows read, "
        f"{size(run.bytes_written)} written, {run.state}"
    )


def _cost_row(run: RunMetrics) -> Sequence[str]:
    seconds = run.seconds
    rate = None if not seconds or run.rows_read is None else round(run.rows_read / seconds)
    memory = None if run.memory_usage_mb is None else run.memory_usage_mb * 1_000_000
    return (
        minute(run.start_time),
        NOTHING if seconds is None else duration(seconds),
        count(run.rows_read),
        count(rate),
        count(run.files_read),
        size(run.bytes_read),
        count(run.files_written),
        size(run.bytes_written),
        size(memory),
        NOTHING if run.cpu_usage_percent is None else f"{metric_text(run.cpu_usage_percent)}%",
        size(run.spilled_bytes),
        count(run.commit_retries),
    )


def _steps(run: RunMetrics) -> Html | None:
    """How long each step of the newest run took; None: its ledger does not say."""
    spent = run.step_milliseconds
    if not spent:
        return None
    whole = 1000 * (run.seconds or 0.0)
    rest = round(whole) - sum(spent.values())
    ordered = sorted(spent, key=lambda step: STEPS.index(step) if step in STEPS else len(STEPS))
    named = [
        *((step, spent[step]) for step in ordered),
        *([("between the steps", rest)] if rest > 0 else []),
    ]
    longest = max(milliseconds for _, milliseconds in named) or 1
    return data_table(
        f"Steps of the run of {minute(run.start_time)} UTC",
        ("Step", "Time", "Share of the longest"),
        [
            (
                step,
                duration(milliseconds / 1000),
                share_bar(
                    f"{step}: {duration(milliseconds / 1000)}", milliseconds / longest, "plain"
                ),
            )
            for step, milliseconds in named
        ],
        numbers={1},
    )
