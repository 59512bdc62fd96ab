"""Rows of ledgers go when their time is up, and what is left of the audit log is verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.loader import LEDGERS, load_ledger
from contracts.schemas.target_ddl import create_ledger
from tasks.auditing.ledger_retention import delete_expired_rows
from tasks.auditing.verify_audit_log import FindingKind, verify_audit_log
from tests.tasks.auditing.conftest import entry

NOW = datetime(2036, 3, 10, 15, 30, tzinfo=UTC)
DAYS = timedelta(days=3653)


def expire(log, *, dry_run=False, now=NOW):
    found = delete_expired_rows(log.spark, log.settings, run_id="r1", now=now, dry_run=dry_run)
    return {each.ledger: each.rows for each in found}


@pytest.fixture
def log(make_log):
    """Records 1 and 2 are of a day before the last that is kept, 3 and 4 of that day."""
    log = make_log()
    first_day = datetime(2036, 3, 10, tzinfo=UTC) - DAYS
    log.append(entry(1), at=first_day - timedelta(days=3))
    log.append(entry(2), at=first_day - timedelta(microseconds=1))
    log.append(entry(3), entry(4), at=first_day)
    return log


def test_whole_days_go_with_a_record_of_it_and_the_rest_is_verified(log):
    assert expire(log, dry_run=True) == {"audit_log": 2}
    assert len(log.rows()) == 4

    assert expire(log) == {"audit_log": 2}

    rows = log.rows()
    assert [row.sequence for row in rows] == [3, 4, 5]
    last = rows[-1]
    assert (last.action, last.counts) == ("expire ledger", {"rows_deleted": 2})
    assert last.details["begins_at"] == "3"
    assert last.details["begins_after_hash"] == rows[0].previous_hash
    assert expire(log) == {}
    log.append(entry(6))
    verification = verify_audit_log(log.spark, log.settings)
    assert verification.findings == ()
    assert (verification.first, verification.head.sequence) == (3, 6)


def test_records_that_go_without_being_recorded_are_missing(log):
    expire(log)
    log.sql("DELETE FROM {log} WHERE sequence = 3")

    (finding,) = verify_audit_log(log.spark, log.settings).findings
    assert (finding.kind, finding.first, finding.last) == (FindingKind.MISSING, 1, 3)


def test_another_ledger_goes_by_its_own_column_and_days(log):
    ledger = load_ledger(LEDGERS / "quality_decisions.yaml")
    table = log.table.replace("audit_log", ledger.name)
    log.spark.sql(create_ledger(ledger, table))
    columns = log.spark.table(table).columns
    ages = (ledger.retention_days + 1, ledger.retention_days - 1)
    for age in ages:
        values = {name: f"'{name}'" for name in columns if not name.startswith("rows_")}
        values["decided_at"] = f"TIMESTAMP '{(NOW - timedelta(days=age)):%Y-%m-%d %H:%M:%S}'"
        values |= {name: "1L" for name in columns if name.startswith("rows_")}
        listed = ", ".join(f"{values[name]} AS {name}" for name in columns)
        log.spark.sql(f"INSERT INTO {table} SELECT {listed}")

    assert expire(log)["quality_decisions"] == 1
    assert log.spark.table(table).count() == 1


FOR_EVER = {"erased_subjects", "legal_holds", "retired_records", "subject_keys"}


@pytest.mark.parametrize("path", sorted(LEDGERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_ledger_says_how_long_it_is_kept_and_since_when(path):
    ledger = load_ledger(path)

    if ledger.name in FOR_EVER:
        assert (ledger.retention_days, ledger.dated_by) == (None, None)
        return
    assert ledger.retention_days
    assert ledger.dated_by in {column.name for column in ledger.columns}
    if ledger.name in ("audit_log", "data_lineage"):
        assert ledger.retention_days == 3653
