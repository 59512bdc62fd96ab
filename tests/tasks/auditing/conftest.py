"""A lakehouse with an audit log of twenty records, made by the real appends."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tasks.observability.audit_log import AuditAction, AuditEntry, record_audit
from tests.strandline.lakes import run_settings_in

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number, **more):
    return AuditEntry(
        **{
            "action": AuditAction.PUBLISH,
            "subject": "lake.clinic.patients",
            "actor": "user ada on ward",
            "reason": "load",
            "batch_id": f"b{number}",
            "snapshot_id": 2**62 + number,
            "counts": {"rows_read": number, "rows_refused": 0},
            "key_ids": ("k1",),
            "details": {"contract_before": "readings 1.0.0"},
        }
        | more
    )


class Log:
    """An audit log, and what an attacker does to its table."""

    def __init__(self, settings, spark):
        self.settings, self.spark = settings, spark
        self.table = f"{settings.lakehouse.catalog}.governance.audit_log"

    def append(self, *entries, at=AT):
        return record_audit(self.spark, self.settings, entries, at=at)

    def rows(self):
        return self.spark.table(self.table).orderBy("sequence").collect()

    def sql(self, statement):
        self.spark.sql(statement.format(log=self.table))


@pytest.fixture(scope="module")
def make_log(postgres, spark, tmp_path_factory):
    def make():
        name = f"audit_{uuid.uuid4().hex[:10]}"
        settings = run_settings_in(tmp_path_factory.mktemp(name), postgres, name)
        return Log(settings, settings.spark.session(settings.lakehouse, shared=False))

    return make


@pytest.fixture(scope="module")
def twenty(make_log):
    """A log of twenty records in ten commits; tests that change it restore the snapshot."""
    log = make_log()
    for number in range(1, 21, 2):
        log.append(entry(number), entry(number + 1), at=AT + timedelta(minutes=number))
    return log


@pytest.fixture
def tampered(twenty):
    """The log, put back afterwards as it was written."""
    catalog, _, name = twenty.table.partition(".")
    (row,) = twenty.spark.table(f"{twenty.table}.refs").collect()
    yield twenty
    twenty.spark.sql(f"CALL {catalog}.system.set_current_snapshot('{name}', {row.snapshot_id})")
