"""The pages that are opened: a report that has something of everything, and a catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.loader import TABLES, load_contracts
from strandline.catalogue.catalogue_pages import Catalogue, catalogue_pages
from strandline.catalogue.table_state import TableState
from strandline.report_page.quality_page import quality_page
from tools.example_quality_report import example_report

MADE_AT = datetime(2024, 4, 29, 9, tzinfo=UTC)
REPORT, INDEX, CONTRACT = "report.html", "index.html", "contracts/new_source_table.html"


def write_pages(folder: Path) -> tuple[Path, ...]:
    """Write the pages below the folder; those that are worth opening."""
    for place, page in _pages():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    return tuple(folder / place for place in (REPORT, INDEX, CONTRACT))


def _pages() -> Iterator[tuple[str, str]]:
    yield REPORT, quality_page(example_report(), made_at=MADE_AT)
    contracts = tuple(load_contracts(TABLES).values())
    states = {
        each.name: TableState(
            exists=True,
            last_state=state,
            loaded_at=MADE_AT - timedelta(hours=5.5),
            published_at=MADE_AT - timedelta(hours=hours - 2),
            newest_row=MADE_AT - timedelta(hours=hours),
            versions=48_930 + 100 * len(each.columns),
            open_versions=3_322,
            score=score,
        )
        for each, state, hours, score in zip(
            contracts,
            ("refused", "unchanged", "published"),
            (78.0, 21.5, 6.0),
            (0.9057, 1.0, 0.9867),
            strict=True,
        )
    }
    yield from catalogue_pages(Catalogue(contracts, MADE_AT, states))
