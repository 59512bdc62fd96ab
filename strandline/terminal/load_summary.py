"""How loads ended: what each batch moved, why rows were refused, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from contracts.model import Contract, Severity
from strandline.queries.parse_key_argument import example
from strandline.terminal.number_format import count, duration, share
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.run.step_results import LoadSummary
from tasks.transforms.checks.figure_text import threshold_text

_LOADS = (
    Heading("contract"),
    Heading("state"),
    Heading("read", number=True),
    Heading("refused", number=True),
    Heading("ignored", number=True, spare=True),
    Heading("known", number=True, spare=True),
    Heading("opened", number=True),
    Heading("closed", number=True, spare=True),
    Heading("late", number=True, spare=True),
    Heading("deleted", number=True, spare=True),
    Heading("quality", number=True),
    Heading("took", number=True),
)
_REASONS = (
    Heading("contract"), Heading("check"), Heading("columns", prose=True),
    Heading("rows", number=True), Heading("what it does"),
)  # fmt: skip


def load_data(summary: LoadSummary) -> dict[str, object]:
    """The summary of one load in plain values."""
    staged, report, verdict = summary.staged, summary.report, summary.verdict
    return {
        "contract": summary.contract,
        "table": summary.target,
        "state": _state(summary),
        "batch_id": summary.batch_id,
        "run_id": summary.run_id,
        "snapshot_id": report.snapshot_id,
        "started": summary.started,
        "ended": summary.ended,
        "seconds": round(summary.elapsed_seconds, 3),
        "rows_read": staged.rows_read,
        "rows_refused": _refused(summary),
        "rows_ignored": staged.ignored,
        "rows_known": staged.repeated + report.repeated,
        "rows_erased": staged.erased,
        "versions_opened": report.opened,
        "versions_closed": report.closed,
        "late": report.late,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
        "versions_taken_back": report.withdrawn,
        "refused_rows_mended": summary.mended,
        "refused_rows_gone": summary.gone,
        "quality_score": verdict.score,
        "quality_threshold": verdict.threshold,
        "reasons": [
            {"check": check, "columns": list(columns), "rows": rows, "severity": severity}
            for check, columns, rows, severity in _reasons(summary)
        ],
        "watermark": staged.watermark,
        "source_kind": summary.source_kind,
        "source_kind_taken_because": summary.taken_because or None,
    }


def load_page(
    summaries: Sequence[LoadSummary], contracts: Mapping[str, Contract], *, width: int
) -> list[RenderableType]:
    """The summaries for the terminal; a single load is shown in more detail than several."""
    parts: list[RenderableType] = []
    if len(summaries) == 1:
        parts.extend(_details(summaries[0]))
    elif summaries:
        parts.append(text_table(_LOADS, [_row(summary) for summary in summaries], width=width))
    reasons = [
        (summary.contract, check, ", ".join(columns), count(rows), _effect(severity))
        for summary in summaries
        for check, columns, rows, severity in _reasons(summary)
    ]
    if reasons:
        parts.append(text_table(_REASONS, reasons, width=width))
    for summary in summaries:
        parts.extend(_next_steps(summary, contracts[summary.contract]))
    return parts


def _details(summary: LoadSummary) -> list[RenderableType]:
    staged, report, verdict = summary.staged, summary.report, summary.verdict
    title = Text.assemble((summary.target, "bold"), "  ", (_state(summary), "green"))
    score, least = share(verdict.score, verdict.threshold), threshold_text(verdict.threshold)
    quality = f"{score} (at least {least} wanted)"
    pairs = (
        ("rows read", count(staged.rows_read)),
        ("refused", count(_refused(summary))),
        ("ignored", count(staged.ignored)),
        ("known already", count(staged.repeated + report.repeated)),
        ("versions opened", count(report.opened)),
        ("versions closed", count(report.closed)),
        ("late", count(report.late)),
        ("deleted", count(report.deleted)),
        ("quality", "nothing to judge" if verdict.score is None else quality),
        ("took", duration(summary.elapsed_seconds)),
        ("batch", summary.batch_id),
        *((("erased or retired", count(staged.erased)),) if staged.erased else ()),
        *_taken_back(summary),
        *_settled(summary),
        *_source_kind(summary),
    )
    return [title, facts(pairs)]


def _taken_back(summary: LoadSummary) -> tuple[tuple[str, str], ...]:
    """Published versions that events of this batch contradict."""
    if not summary.report.withdrawn:
        return ()
    text = (
        f"{count(summary.report.withdrawn)} versions: events of one instant contradict each other"
    )
    return (("taken back", text),)


def _settled(summary: LoadSummary) -> tuple[tuple[str, str], ...]:
    """Rows that earlier loads refused, and whose source rows this one found mended or gone."""
    words = [f"{count(summary.mended)} mended at the source"] if summary.mended else []
    if summary.gone:
        words.append(f"{count(summary.gone)} gone from it")
    return (("refused before", ", ".join(words)),) if words else ()


def _source_kind(summary: LoadSummary) -> tuple[tuple[str, str], ...]:
    """The kind that the source was read as, where its contract names none."""
    if not summary.taken_because:
        return ()
    return (("source read as", f"{summary.source_kind}, as {summary.taken_because}"),)


def _row(summary: LoadSummary) -> tuple[Text | str, ...]:
    staged, report = summary.staged, summary.report
    return (
        Text(summary.contract, style="bold"),
        Text(_state(summary), style="green"),
        count(staged.rows_read),
        count(_refused(summary)),
        count(staged.ignored),
        count(staged.repeated + report.repeated),
        count(report.opened),
        count(report.closed),
        count(report.late),
        count(report.deleted),
        share(summary.verdict.score),
        duration(summary.elapsed_seconds),
    )


def _next_steps(summary: LoadSummary, contract: Contract) -> list[RenderableType]:
    commands = [f"strandline history {contract.name} {example(contract)}"]
    if _refused(summary):
        commands.append(f"strandline quarantine {contract.name}")
    return [Text.assemble(("next: ", "dim"), (command, "bold")) for command in commands]


def _state(summary: LoadSummary) -> str:
    return "published" if summary.report.published else "unchanged"


def _refused(summary: LoadSummary) -> int:
    return summary.staged.refused + sum(summary.report.refused.values())


def _reasons(summary: LoadSummary) -> list[tuple[str, tuple[str, ...], int, str]]:
    """Checks that rows failed, then what the history engine refused; a row may fail several."""
    checks = [
        (each.check, each.columns, each.failed, each.severity)
        for each in summary.verdict.findings
        if each.failed
    ]
    engine = [
        (reason, (), rows, str(Severity.REFUSE))
        for reason, rows in summary.report.refused.items()
        if rows
    ]
    return sorted(checks, key=lambda each: (each[3] != Severity.REFUSE, -each[2])) + engine


def _effect(severity: str) -> str:
    return "refused" if severity == Severity.REFUSE else "warned"
