from __future__ import annotations

import pytest

from strandline.queries.ledger_queries import (
    ReasonCount,
    read_last_runs,
    read_quarantine,
    read_runs,
    read_status,
)
from tests.strandline.examples import AIRCRAFT, NOW, day, run_metrics
from tests.strandline.lakes import append, create_ledgers, flight, load_events


def a_run(start, contract="aircraft", **more) -> dict:
    return {
        "job_id": f"job-{contract}-{start:%d}",
        "batch_id": f"b-{start:%d}",
        "contract": contract,
        "target_table": f"lake.s.{contract}",
        "start_time": start,
        "end_time": start.replace(second=9),
        "state": "published",
        "rows_read": 10,
        "data_quality_score": 0.5,
        "watermark": day(0),
    } | more


@pytest.fixture(scope="module")
def ledger(spark):
    create_ledgers(spark, "lake.run_ledger", "run_metrics")
    table = "lake.run_ledger.run_metrics"
    failed = a_run(day(3), state="failed", error_kind="SourceUnavailableError", rows_read=None)
    runs = [a_run(day(1)), a_run(day(2), "airports"), failed | {"end_time": None}]
    append(spark, table, runs)
    return spark.table(table)


def test_runs_come_newest_first_and_as_they_were_recorded(ledger):
    found = read_runs(ledger, limit=10)

    assert [run.start_time for run in found] == [day(3), day(2), day(1)]
    assert found[0].error_kind == "SourceUnavailableError"
    assert found[0].end_time is None
    assert found[0].rows_read is None
    assert found[2].seconds == 9
    assert found[2].watermark == day(0)


def test_runs_of_one_contract_and_no_more_than_asked_for(ledger):
    assert [run.contract for run in read_runs(ledger, contract="airports", limit=10)] == [
        "airports"
    ]
    assert [run.start_time for run in read_runs(ledger, limit=1)] == [day(3)]


def test_the_last_run_of_each_table(ledger):
    last = read_last_runs(ledger)

    assert {table: run.state for table, run in last.items()} == {
        "lake.s.aircraft": "failed",
        "lake.s.airports": "published",
    }


def test_the_status_of_a_table_is_what_its_snapshots_say(spark, lake_namespace):
    table = f"{lake_namespace}.aircraft"
    events = [
        flight("N1", day(0), "JFK"),
        flight("N1", day(2), "LAX"),
        flight("N2", day(1), "JFK"),
    ]
    load_events(spark, AIRCRAFT, table, events, batch_id="b7", watermark=day(2))

    found = read_status(spark, AIRCRAFT, table, run_metrics())

    assert found.exists
    assert (found.versions, found.open_versions) == (3, 2)
    assert found.batch_id == "b7"
    assert found.watermark == day(2)
    assert found.last_run == run_metrics()
    committed = spark.table(f"{table}.snapshots").selectExpr("unix_micros(max(committed_at))")
    assert found.published_at is not None
    assert found.published_at.timestamp() == committed.collect()[0][0] / 1e6


def test_the_status_of_a_table_that_is_not_there_says_so(spark, lake_namespace):
    found = read_status(spark, AIRCRAFT, f"{lake_namespace}.nothing", None)

    assert not found.exists
    assert found.versions is None


@pytest.fixture(scope="module")
def held(spark):
    """Rows that the engine itself refused, and two that a check refused, one of them released."""
    create_ledgers(spark, "lake.refusals", "quarantine")
    table, target = "lake.refusals.quarantine", "lake.refusals.aircraft"
    torn = [flight("N9", day(1), "JFK"), flight("N9", day(1), "LAX")]
    events = [flight("N1", day(0), "JFK"), *torn]
    report = load_events(spark, AIRCRAFT, target, events, quarantine=table)
    assert sum(report.refused.values()) == 2
    row = {
        "target_table": target,
        "batch_id": "b0",
        "row_digest": "d1",
        "record_key": '{"tail_number":"N8"}',
        "reasons": [("carrier_required", "carrier"), ("conflict", None)],
        "row": '{"carrier":null}',
        "refused_at": day(900),
    }
    released = row | {"row_digest": "d2", "released_at": NOW}
    elsewhere = row | {"row_digest": "d3", "target_table": "lake.s.other"}
    append(spark, table, [row, released, elsewhere])
    return spark.table(table), target


def test_the_quarantine_counts_what_is_held_of_the_table_by_reason(held):
    ledger, target = held
    found = read_quarantine(ledger, AIRCRAFT, target, limit=10)

    assert found.held == 3
    assert ReasonCount("carrier_required", "carrier", 1) in found.reasons
    assert sum(count.rows for count in found.reasons) == 4
    assert [count.rows for count in found.reasons] == sorted(
        (count.rows for count in found.reasons), reverse=True
    )


def test_refused_rows_come_newest_first_with_key_and_reasons_but_not_themselves(held):
    ledger, target = held
    found = read_quarantine(ledger, AIRCRAFT, target, limit=10)

    assert [row.record_key for row in found.newest] == ["N8", "N9", "N9"]
    assert found.newest[0].refused_at == day(900)
    assert found.newest[0].reasons == ("carrier_required (carrier)", "conflict")
    assert {row.row for row in found.newest} == {None}


def test_the_rows_themselves_are_shown_where_they_are_asked_for(held):
    ledger, target = held
    found = read_quarantine(ledger, AIRCRAFT, target, limit=1, rows=True)

    assert [row.row for row in found.newest] == ['{"carrier":null}']
