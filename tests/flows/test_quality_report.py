"""A report of real loads: one that was published, and one whose gate closed."""

from __future__ import annotations

import asyncio
import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from contracts.errors import QualityGateError
from flows.load_table import load_table
from strandline.command_line import main
from tests.flows.readings import CANARY, FIRST, TABLE

GOOD = FIRST[:3]
BAD = tuple((None, "South", CANARY, "70.00", "IN", f"2024-01-04 0{i}:00", None) for i in range(4))


@pytest.fixture(scope="module")
def place(make_workplace, contracts):
    made = make_workplace(contracts)
    made.execute(TABLE)
    made.update(*GOOD)
    load_table("readings")
    made.update(*BAD)
    with pytest.raises(QualityGateError):
        load_table("readings")
    return made


@pytest.fixture
def report(place, capsys, tmp_path):
    """The report of the newest batch: what the command says, and the page."""
    assert main(["report", "readings", "--json", "--output", str(tmp_path / "page.html")]) == 0
    return json.loads(capsys.readouterr().out), (tmp_path / "page.html").read_text()


def test_the_report_of_a_batch_that_was_not_published_says_why(report):
    told, page = report

    assert told["outcome"] == "failed"
    assert told["reasons"]
    assert told["score"] == pytest.approx(1 - told["refused_percent"] / 100, abs=0.2)
    assert "The gate closed: nothing was published" in page
    assert page.count('class="closed"') >= 1
    assert "key_present" in page


def test_no_value_of_a_row_is_in_the_report_nor_in_the_ledger(place, report):
    _, page = report
    rows = place.table("governance.quality_findings").collect()

    assert CANARY not in page
    assert rows
    assert CANARY not in str(rows)


def test_each_batch_is_in_the_ledger_once_whatever_became_of_it(place):
    batches = place.table("governance.quality_findings").where("grain = 'batch'")
    runs = place.table("governance.run_metrics").orderBy("start_time").collect()

    found = {row.batch_id: row.outcome for row in batches.collect()}
    assert batches.count() == len(found) == 2
    assert [(found[run.batch_id], run.state) for run in runs] == [
        ("passed", "published"),
        ("failed", "refused"),
    ]


def test_the_page_of_the_failed_run_has_the_verdict(place):
    async def stored(key: str) -> list[str]:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        async with get_client() as client:
            return [str(each.data) for each in await client.read_artifacts(artifact_filter=chosen)]

    quality = asyncio.run(stored("quality-readings"))
    findings = asyncio.run(stored("findings-readings"))

    assert any("the gate closed, nothing was published" in data for data in quality)
    assert any("the gate was open" in data for data in quality)
    assert findings
    assert [data for data in findings if CANARY in data] == []
