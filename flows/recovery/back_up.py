"""A backup of the catalog and the key ring: the flow, which is scheduled every hour.

`python -m flows.recovery.back_up` runs it from the shell.
"""

from __future__ import annotations

import sys

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run

from contracts.alerts import event_names as names
from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import SettingsName
from flows.shell_exit_codes import exit_code
from tasks.recovery.make_backup import BackupReport, make_backup_task
from tasks.run.unexpected_errors import without_unexpected_errors


@flow(
    name="back-up",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("back-up")
def back_up(settings: SettingsName = "default") -> BackupReport:
    """Back up the catalog's pointers, the metadata they name, and the wrapped keys.

    Args:
        settings: The name of the run settings block, which names the backup target.
    """
    report = make_backup_task(settings, run_id=str(flow_run.get_id()))
    line = backup_line(report)
    create_table_artifact(table=[line], key="backup", description="The backup that was made")
    catalog = report.manifest.catalog
    emit_event(
        names.BACKUP_MADE,
        resource={names.ID: names.lakehouse_resource(catalog), names.NAME: catalog},
        payload=line,
    )
    return report


def backup_line(report: BackupReport) -> dict[str, object]:
    """A backup as plain values: a row of the artifact, the event and the JSON output."""
    manifest = report.manifest
    return {
        "backup": manifest.id,
        "place": report.where,
        "made_at": manifest.made_at.isoformat(),
        "tables": len(manifest.tables),
        "views": len(manifest.views),
        "keys": 0 if manifest.key_ring is None else manifest.key_ring.keys,
        "bytes": report.octets,
        "sha256": manifest.digest(),
        "removed": len(report.removed),
        "seconds": round(report.seconds, 3),
    }


if __name__ == "__main__":
    sys.exit(exit_code(back_up, *sys.argv[1:]))
