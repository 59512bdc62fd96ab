"""The quality report of one batch as one HTML page that needs nothing else.

Promise: the page loads nothing and sends nothing; it can be read without its script, by keyboard,
by a screen reader, on a dark screen and on paper. Each chart has its numbers as a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from strandline.queries.quality_report import JudgedBatch, QualityReport
from strandline.report_page.batch_sections import (
    checks_section,
    not_evaluated_section,
    score_section,
    tiles,
    unusual_section,
    verdict_box,
)
from strandline.report_page.history_sections import (
    checks_over_runs,
    drift_section,
    quarantine_section,
    refused_chart,
    score_chart,
    verdicts_section,
)
from strandline.report_page.html_elements import Html, element
from strandline.report_page.page_script import SCRIPT, security_policy
from strandline.report_page.page_style import style_sheet
from strandline.terminal.number_format import second

_TITLES = {
    "scores": "Score",
    "score": "On paper",
    "checks": "Findings",
    "over-runs": "Over runs",
    "refused": "Refused",
    "drift": "Drift",
    "unusual": "Unusual rows",
    "not-evaluated": "Not evaluated",
    "quarantine": "Quarantine",
    "verdicts": "All verdicts",
}


def quality_page(report: QualityReport, *, made_at: datetime) -> str:
    """The whole page as HTML; `made_at` is written at its end."""
    batch = report.batch
    optional = {
        "drift": drift_section(report),
        "unusual": unusual_section(report),
        "not-evaluated": not_evaluated_section(batch),
    }
    sections = {
        "scores": score_chart(report),
        "score": score_section(batch),
        "checks": checks_section(batch),
        "over-runs": checks_over_runs(report),
        "refused": refused_chart(report),
        **{name: section for name, section in optional.items() if section is not None},
        "quarantine": quarantine_section(report),
        "verdicts": verdicts_section(report),
    }
    links = [element("li", element("a", _TITLES[name], href=f"#{name}")) for name in sections]
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        _header(report),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *sections.values(), id="report", tabindex="-1"),
        _footer(batch, made_at),
        element("script", Html(SCRIPT)),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=security_policy()),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", f"Quality of {report.table}, {batch.batch_id}"),
        element("style", Html(style_sheet())),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _breakable(table: str) -> Iterable[str]:
    """The name of a table; a narrow screen may break it after a dot."""
    for position, part in enumerate(table.split(".")):
        if position:
            yield from (".", element("wbr"))
        yield part


def _header(report: QualityReport) -> Html:
    batch = report.batch
    version = f", version {batch.contract_version}" if batch.contract_version else ""
    return element(
        "header",
        element("p", "Quality report", class_="eyebrow"),
        element("h1", *_breakable(report.table)),
        element(
            "p",
            "Batch ",
            element("code", batch.batch_id),
            f", judged {second(batch.judged_at)} UTC by the contract {report.contract}{version}.",
            class_="muted",
        ),
        verdict_box(batch),
        tiles(report),
    )


def _footer(batch: JudgedBatch, made_at: datetime) -> Html:
    return element(
        "footer",
        element(
            "p",
            f"Made by Strandline, {second(made_at)} UTC, from the ledgers of quality findings, "
            "runs, unusual rows and quarantine. ",
            f"Run {batch.job_id}. The page holds counts and names; of rows at most keys that are "
            "not sensitive.",
        ),
    )
