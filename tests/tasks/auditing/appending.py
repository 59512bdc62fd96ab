"""Appends records one by one, in a process of its own: SETTINGS_FILE NAME COUNT."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from blocks.lookup import block_lookup
from tasks.observability.audit_log import AuditAction, AuditEntry, record_audit


def main(name: str, count: str) -> None:
    settings = block_lookup.settings("default")
    spark = settings.spark.session(settings.lakehouse)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(int(count)):
        entry = AuditEntry(
            action=AuditAction.PUBLISH,
            subject="lake.clinic.patients",
            actor=name,
            reason=f"load {number}",
        )
        record_audit(spark, settings, [entry], at=datetime.now(UTC))


if __name__ == "__main__":
    main(*sys.argv[1:])
