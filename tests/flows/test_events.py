"""What a real load tells Prefect, as alerts wait for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml
from prefect.events.clients import AssertingEventsClient

from contracts.alerts import event_names as names
from contracts.errors import QualityGateError, SourceCircuitOpenError
from contracts.loader import load_contract
from flows.load_table import load_table
from history import LoadReport
from tasks.observability.emit_prefect_events import (
    emit_loaded,
    source_resource,
    table_resource,
)
from tasks.run.run_context import Run
from tasks.run.step_results import StagedBatch
from tests.flows.readings import CANARY, CONTRACT, FIRST


def kinds(events):
    return [event.event for event in events]


def test_a_load_tells_its_verdict_its_findings_and_what_became_of_the_table(readings, told):
    readings.update(*FIRST)
    report = load_table("readings")
    first = told()
    load_table("readings")
    second = told()

    judged, published = first[0], first[-1]
    assert kinds(first) == [
        names.BATCH_JUDGED,
        *[names.CHECK_FAILED] * (len(first) - 2),
        names.TABLE_PUBLISHED,
    ]
    assert len(first) > 3  # the weight, and the patient that is missing
    assert judged.resource.id == published.resource.id == "strandline.table.clinic.patients"
    assert judged.resource[names.VERDICT] == "pass"
    assert (judged.payload["rows_read"], judged.payload["rows_refused"]) == (5, 2)
    assert judged.payload["score"] == round(report.verdict.score, 6)
    assert published.payload["versions_opened"] == 3
    assert published.payload["batch_id"] == report.batch_id
    assert {each.role for each in published.related} >= {"flow-run", "flow"}
    assert kinds(second) == [names.BATCH_JUDGED, names.TABLE_UNCHANGED]
    assert CANARY not in json.dumps([event.model_dump(mode="json") for event in first])


def take_source_away(place):
    """From now on nothing listens where the source database was."""
    path = place.root / "blocks.yaml"
    blocks = yaml.safe_load(path.read_text())
    blocks["source-database"]["source-db-conn"].update(port=1, circuit_failures=1)
    path.write_text(yaml.safe_dump(blocks))


def test_outside_of_a_flow_run_nobody_is_told_and_nothing_is_started(told):
    contract = load_contract(CONTRACT)
    run = Run(
        name=contract.name,
        target="lake.clinic.patients",
        relation="clinic.readings",
        table_resource=table_resource(contract),
        source_resource=source_resource(contract),
        lineage=None,
        settings=None,
        source=None,
        spark=None,
        batch_id="BATCH",
        run_id="run",
        started=datetime.now(UTC),
    )
    emit_loaded(run, StagedBatch("stage", 1, 1, 0, 0, 0, None), LoadReport("BATCH", 1, True))

    assert AssertingEventsClient.all == []


def test_a_closed_gate_and_a_source_that_is_away_are_told(readings, told):
    readings.update(*[(n, "North", "Di", "0.20", "IN", "2024-03-01 08:00", None) for n in range(9)])
    with pytest.raises(QualityGateError):
        load_table("readings")
    closed = told()
    take_source_away(readings)
    with pytest.raises(SourceCircuitOpenError):
        load_table("readings")
    (gone,) = told()

    assert closed[0].event == names.BATCH_JUDGED
    assert closed[0].resource[names.VERDICT] == "fail"
    assert names.TABLE_PUBLISHED not in kinds(closed)
    assert gone.event == names.CIRCUIT_OPENED
    assert gone.resource.id == names.source_resource("source_db_conn")
    assert gone.payload["failures"] == 1
    assert gone.payload["contract"] == "readings"
