"""The upkeep of the whole: what auditors read stays, what is held stays, loads go on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import types as T

from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.alerts import event_names
from contracts.errors import AuditLogTamperedError
from flows.maintenance import maintain as flow_module
from flows.maintenance.maintain import MaintenanceFailedError, maintain
from history.iceberg.history_table import exists
from strandline.command_line import main
from tasks.auditing.ledger_retention import delete_expired_rows
from tasks.auditing.verify_audit_log import verify_audit_log
from tasks.erasure.legal_holds import LEGAL_HOLDS, tables_under_hold
from tasks.maintenance.age_stages import age_stages
from tasks.maintenance.key_use import key_uses
from tasks.maintenance.maintain_ledgers import maintain_ledgers
from tasks.observability.audit_log import AuditAction, AuditEntry, record_audit
from tasks.observability.ledger_tables import append_row, ensure_ledger
from tests.flows.loaded_readings import loaded_twice
from tests.flows.readings import AFTER_BOTH, versions
from tests.flows.recovery.recovery_places import (
    FOURTH,
    THIRD,
    opened_by_another_load,
    with_settings,
)

LATER = datetime.now(UTC) + timedelta(days=365)


class _Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return LATER.astimezone(tz)


@pytest.fixture(scope="module")
def place(make_workplace, contracts):
    """Readings, loaded twice; of older batches no snapshot need be kept."""
    made = make_workplace(contracts)
    with_settings(made, keep_at_least=1)
    loaded_twice(made)
    return made


@pytest.fixture
def a_year_later(monkeypatch):
    """Upkeep finds all that was loaded a year old; files that a test has just written are not."""
    monkeypatch.setattr(flow_module, "datetime", _Later)
    for module in ("history.upkeep.table_upkeep", "tasks.maintenance.maintain_ledgers"):
        monkeypatch.setattr(f"{module}.remove_orphan_files", lambda *_args, **_given: 0)


def answers(capsys) -> dict[str, object]:
    """What auditors ask about old batches."""
    asked = {
        "history": ["history", "readings", "1"],
        "as of": ["history", "readings", "1", "--as-of", "2024-01-02T00:00"],
        "versions": ["lineage", "readings", "--key", "1"],
        "columns": ["lineage", "readings"],
        "quarantine": ["quarantine", "readings"],
        "runs": ["runs", "readings"],
        "audit": ["audit", "show", "--subject", "readings", "--action", "publish"],
    }
    found = {}
    for name, command in asked.items():
        capsys.readouterr()
        assert main([*command, "--json"]) == 0
        found[name] = json.loads(capsys.readouterr().out)
    return found


def test_what_auditors_ask_is_answered_alike_after_the_snapshots_are_gone(
    place, a_year_later, told, capsys
):
    assert opened_by_another_load(place, THIRD) == 1
    before, count = answers(capsys), place.snapshots("clinic.patients")
    (dry,) = (maintain("default", True),)
    assert place.snapshots("clinic.patients") == count
    assert dry.figures["snapshots_expired"] > 0

    done = maintain()

    assert place.snapshots("clinic.patients") < count
    assert place.snapshots("governance.run_metrics") == 1
    assert done.figures["snapshots_expired"] > 0
    assert done.figures["failed"] == 0
    assert {each.ledger for each in done.ledgers} >= {"audit_log", "run_metrics", "quarantine"}
    assert answers(capsys) == before
    assert main(["audit", "verify"]) == 0
    events = [each for each in told() if each.event == event_names.MAINTAINED]
    assert [each.payload["dry_run"] for each in events] == [True, False]
    assert events[-1].payload["failed"] == 0
    assert opened_by_another_load(place, FOURTH) == 1
    assert [each[:2] for each in versions(place)][: len(AFTER_BOTH)] == [
        each[:2] for each in AFTER_BOTH
    ]


def test_ledgers_are_joined_while_runs_append(place, a_year_later):
    settings, spark = place.settings, place.spark
    log = f"{settings.lakehouse.catalog}.governance.audit_log"
    entry = AuditEntry(action=AuditAction.GRANT, subject="t", actor="ada", reason="test")
    for _ in range(6):
        record_audit(spark, settings, [entry], at=datetime.now(UTC))
    count, files = spark.table(log).count(), spark.table(f"{log}.files").count()

    with ThreadPoolExecutor(1) as worker:
        appending = worker.submit(
            lambda: [record_audit(spark, settings, [entry], at=datetime.now(UTC)) for _ in range(8)]
        )
        done = maintain_ledgers.fn("default", now=LATER, dry_run=False)

    assert [each for each in done if each.error is not None] == []
    (of_log,) = (each for each in done if each.ledger == "audit_log")
    assert of_log.files_rewritten >= 5
    assert spark.table(f"{log}.files").count() < files + 8
    assert len(appending.result()) == 8
    assert spark.table(log).count() == count + 8
    assert verify_audit_log(spark, settings).findings == ()


# From here on the log has been tampered with.
def test_snapshots_of_a_log_that_was_tampered_with_are_evidence_and_stay(place, a_year_later):
    log = f"{place.settings.lakehouse.catalog}.governance.audit_log"
    (head,) = place.spark.table(f"{log}.refs").collect()
    tamper = f"UPDATE {log} SET reason = 'another' WHERE sequence = 1"  # noqa: S608
    place.spark.sql(tamper)
    count = place.snapshots("governance.audit_log")

    with pytest.raises(MaintenanceFailedError) as caught:
        maintain()

    failed = {each.contract: each.error for each in caught.value.done.outcomes if each.error}
    assert {name: type(error) for name, error in failed.items()} == {
        "audit_log": AuditLogTamperedError
    }
    # The record of the tables' own upkeep came on top.
    assert place.snapshots("governance.audit_log") >= count
    catalog, _, name = log.partition(".")
    place.spark.sql(f"CALL {catalog}.system.set_current_snapshot('{name}', {head.snapshot_id})")


def test_the_command_shows_each_part(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["maintain", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "nothing was changed" in shown
    for word in ("readings", "audit_log", "stages", "rows of ledgers", "of the limit at most"):
        assert word in shown

    assert main(["maintain", "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"upkeep", "stages", "ledgers", "ledger_upkeep", "keys", "errors"} < set(told)


def whole_row(spark, table: str, **values: object) -> dict[str, object]:
    """A row with these values, and something in each other column that must have a value."""
    some = {T.TimestampType: datetime.now(UTC), T.ArrayType: ["x"], T.StringType: "x"}
    required = [each for each in spark.table(table).schema.fields if not each.nullable]
    return {each.name: some.get(type(each.dataType), 1) for each in required} | values


def test_refused_rows_stay_while_a_person_of_their_table_is_under_hold(place):
    settings, spark = place.settings, place.spark
    target = f"{settings.lakehouse.catalog}.clinic.patients"
    ensure_ledger(spark, settings, LEGAL_HOLDS)
    ledger = f"{settings.lakehouse.catalog}.governance.{LEGAL_HOLDS}"
    append_row(spark, ledger, whole_row(spark, ledger, target_table=target))
    years = {"run_id": "r", "now": datetime.now(UTC) + timedelta(days=2600), "dry_run": True}

    held = tables_under_hold(spark, settings)
    assert held == {target}
    kept = delete_expired_rows(spark, settings, held_tables=held, **years)
    assert "quarantine" not in {each.ledger for each in kept}

    spark.sql(f"UPDATE {ledger} SET released_at = current_timestamp()")  # noqa: S608
    assert tables_under_hold(spark, settings) == frozenset()
    gone = delete_expired_rows(spark, settings, held_tables=(), **years)
    assert "quarantine" in {each.ledger for each in gone}


def test_stages_that_nobody_knows_of_go_after_three_days(place):
    catalog, spark = place.settings.lakehouse.catalog, place.spark
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {catalog}.stage")
    names = {
        name: f"{catalog}.stage.readings__batch_20240101_000000_{name}"
        for name in ("forgotten", "noted", "held")
    } | {"no stage": f"{catalog}.stage.of_somebody_else"}
    for table in names.values():
        spark.range(3).writeTo(table).using("iceberg").create()
    notes = place.settings.state_directory / "in-flight" / f"{catalog}.clinic.patients"
    notes.mkdir(parents=True, exist_ok=True)
    note = notes / "BATCH_20240101_000000_noted.json"
    note.write_text("{}")
    now = datetime.now(UTC)
    ensure_ledger(spark, place.settings, "held_batches")
    ledger = f"{catalog}.governance.held_batches"
    until = now + timedelta(days=30)
    held = whole_row(spark, ledger, stage_table=names["held"], held_until=until)
    append_row(spark, ledger, held)

    assert age_stages.fn("default", now=now, dry_run=False).dropped == ()
    later = now + timedelta(days=4)
    aged = age_stages.fn("default", now=later, dry_run=True)
    assert aged.dropped == ("readings__batch_20240101_000000_forgotten",)
    assert exists(spark, names["forgotten"])
    assert age_stages.fn("default", now=later, dry_run=False).dropped == aged.dropped

    assert [name for name, table in names.items() if exists(spark, table)] == [
        "noted",
        "held",
        "no stage",
    ]
    note.unlink()
    assert len(age_stages.fn("default", now=now + timedelta(days=40), dry_run=False).dropped) == 2


def test_keys_near_their_limit_are_named(place, tmp_path):
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ring = LocalKeyRing(
        path=tmp_path / "keys.json",
        key_encryption_key=LocalKeyRing.generate_key(),
        use_limit=100,
        period="month",
    )
    for table, values in {"a.t": 10, "a.u": 85, "a.v": 100}.items():
        ring.keys_for_encryption(table, values=values, create=True, at=at)
    with_settings(place, key_ring=ring)

    now = {each.table: each.state for each in key_uses.fn("default", now=at)}
    assert now == {"a.t": "in use", "a.u": "nearly used up", "a.v": "used up"}
    later = {each.state for each in key_uses.fn("default", now=at + timedelta(days=40))}
    assert later == {"period over", "used up"}
