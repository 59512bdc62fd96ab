"""The quality report of one batch as one HTML page that needs nothing else.

Promise: the page loads nothing and sends nothing; it can be read without its script, by keyboard,
by a screen reader, on a dark screen and on paper. Each chart has its numbers as a table.
"""

from __future__ import annotations

from datetime import datetime

from strandline.page_elements.html_elements import Html, element
from strandline.page_elements.lineage_graph import lineage_section
from strandline.page_elements.page_document import breakable, page_document, skip_link
from strandline.page_elements.page_script import SCRIPT
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
from strandline.report_page.run_sections import cost_section, next_section, versions_section
from strandline.terminal.number_format import second

_TITLES = {
    "next": "Next steps",
    "scores": "Score",
    "score": "On paper",
    "checks": "Findings",
    "over-runs": "Over runs",
    "refused": "Refused",
    "versions": "Versions",
    "cost": "Cost",
    "lineage": "Lineage",
    "drift": "Drift",
    "unusual": "Unusual rows",
    "not-evaluated": "Not evaluated",
    "quarantine": "Quarantine",
    "verdicts": "All verdicts",
}


def quality_page(report: QualityReport, *, made_at: datetime) -> str:
    """The whole page as HTML; `made_at` is written at its end."""
    batch = report.batch
    lineage = lineage_section(report.source, report.table, report.lineage)
    optional = {
        "drift": drift_section(report),
        "unusual": unusual_section(report),
        "not-evaluated": not_evaluated_section(batch),
        "versions": versions_section(report),
        "cost": cost_section(report),
        "lineage": lineage if report.lineage else None,
    }
    sections = {
        "next": next_section(report),
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
    return page_document(
        f"Quality of {report.table}, {batch.batch_id}",
        skip_link("Skip to the report", "report"),
        _header(report),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *sections.values(), id="report", tabindex="-1"),
        _footer(batch, made_at),
        script=SCRIPT,
    )


def _header(report: QualityReport) -> Html:
    batch = report.batch
    version = f", version {batch.contract_version}" if batch.contract_version else ""
    return element(
        "header",
        element("p", "Quality report", class_="eyebrow"),
        element("h1", *breakable(report.table)),
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
