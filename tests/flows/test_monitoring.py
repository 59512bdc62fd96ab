"""What a run leaves for those who look at it later: metrics, its page, assets."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.events.filters import EventFilter, EventNameFilter

from flows.load_table import load_table
from tasks.run.progress_listeners import STEPS
from tests.flows.readings import FIRST, SECOND, TABLE

ROOT = Path(__file__).parents[2]
NEWER = ("files_read", "spilled_bytes", "commit_retries")


@pytest.fixture(scope="module")
def loaded(make_workplace, contracts):
    place = make_workplace(contracts)
    place.execute(TABLE)
    place.update(*FIRST)
    return place, load_table("readings")


async def _answers(path: str, body: dict) -> list[dict]:
    async with get_client() as client:
        answer = await client._client.post(path, json=body)
        answer.raise_for_status()
        return answer.json()


def test_the_ledger_tells_what_was_touched(loaded):
    place, summary = loaded
    (row,) = place.table("governance.run_metrics").collect()

    assert (row.files_read, row.bytes_read) == (
        summary.report.files_read,
        summary.report.bytes_read,
    )
    assert row.files_written > 0
    assert 0 < row.bytes_written < 100_000
    assert row.commit_retries == 0
    assert set(row.step_milliseconds) == set(STEPS) - {"record"}
    for step, milliseconds in row.step_milliseconds.items():
        assert milliseconds == pytest.approx(1000 * summary.step_seconds[step], abs=1)
    assert row.spilled_bytes is None, "Spark serves no pages here"


def test_the_page_has_the_counts_the_findings_and_a_plot_of_rows_and_time(loaded):
    _, summary = loaded
    assert set(summary.step_seconds) == set(STEPS)
    assert all(seconds > 0 for seconds in summary.step_seconds.values())

    artifacts = asyncio.run(_answers("/artifacts/latest/filter", {}))
    found = {each["key"]: each["data"] for each in artifacts}

    assert f"Batch `{summary.batch_id}`" in found["load-readings"]
    assert "check" in found["findings-readings"]
    image = base64.b64decode(found["plot-readings"].partition("base64,")[2]).decode()
    assert image.startswith("<svg")
    for step in STEPS:
        assert step in image


def test_a_published_load_materialises_the_target_from_the_source(loaded):
    place, _ = loaded
    catalog = place.settings.lakehouse.catalog
    target = f"iceberg://{catalog}/clinic/patients"
    wanted = EventFilter(event=EventNameFilter(prefix=["prefect.asset."]))
    deadline = time.monotonic() + 20
    found: dict[str, set[str]] = {}
    while len(found) < 2 and time.monotonic() < deadline:
        body = {"filter": wanted.model_dump(mode="json"), "limit": 50}
        page = asyncio.run(_events(body))
        for event in page["events"]:
            name = event["resource"]["prefect.resource.id"]
            if name == target or catalog in name:
                found.setdefault(event["event"], set()).add(name)
        time.sleep(0.2)

    source = place.settings.lakehouse.catalog
    assert found["prefect.asset.materialization.succeeded"] == {target}
    (referenced,) = found["prefect.asset.referenced"]
    assert referenced.endswith(f"/{source}/clinic/readings")


async def _events(body: dict) -> dict:
    return await _answers("/events/filter", body)


@pytest.mark.nightly
def test_a_ledger_that_an_earlier_release_made_gets_the_columns_it_lacks(loaded):
    place, _ = loaded
    ledger = f"{place.settings.lakehouse.catalog}.governance.run_metrics"
    place.spark.sql(f"ALTER TABLE {ledger} DROP COLUMNS {', '.join(NEWER)}")
    place.update(*SECOND)
    summary = load_table("readings")

    before, last = place.table("governance.run_metrics").orderBy("start_time").collect()
    assert (before.files_read, before.commit_retries) == (None, None)
    assert (last.files_read, last.commit_retries) == (summary.report.files_read, 0)
    assert last.files_read > 0


@pytest.mark.nightly
def test_what_spark_spilled_is_told_by_the_tag_of_a_load_where_its_pages_are_served(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "tests.flows.spilling", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )

    tagged, unknown = map(int, told.stdout.split())
    assert tagged > 100_000
    assert unknown == 0
