"""The upkeep of the whole: histories, stages, ledgers, refused rows, uses of keys, in one flow.

`python -m flows.maintenance.maintain` runs it from the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run

from blocks.lookup import block_lookup
from contracts.alerts import event_names as names
from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import SettingsName
from flows.shell_exit_codes import exit_code
from flows.tables_failed import Outcome, SomeTablesFailedError
from flows.upkeep import upkeep_line
from tasks.auditing.ledger_retention import ExpiredRows
from tasks.keep_up_ledgers import keep_up_ledgers
from tasks.maintenance.age_stages import AgedStages, age_stages
from tasks.maintenance.key_use import KeyUse, key_uses
from tasks.maintenance.maintain_ledgers import LedgerUpkeep, maintain_ledgers
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.upkeep import UpkeepOutcome, all_contracts, keep_up


@dataclass(frozen=True, slots=True)
class MaintainedLakehouse:
    """What was done to each part of the lakehouse, or would be."""

    tables: tuple[UpkeepOutcome, ...]
    stages: AgedStages
    expired: tuple[ExpiredRows, ...]
    ledgers: tuple[LedgerUpkeep, ...]
    keys: tuple[KeyUse, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each table and each ledger ended."""
        return (*self.tables, *self.ledgers)

    @property
    def figures(self) -> dict[str, int]:
        """What was done, in numbers."""
        reports = [each.report for each in self.tables if each.report is not None]
        return {
            "tables": len(self.tables),
            "files_rewritten": sum(each.rewritten for each in reports)
            + sum(each.files_rewritten for each in self.ledgers),
            "snapshots_expired": sum(each.snapshots_expired for each in reports)
            + sum(each.snapshots_expired for each in self.ledgers),
            "orphans_removed": sum(each.orphans for each in reports)
            + sum(each.orphans_removed for each in self.ledgers),
            "stages_dropped": len(self.stages.dropped),
            "ledger_rows_deleted": sum(each.rows for each in self.expired),
            "keys_not_in_order": sum(each.state != "in use" for each in self.keys),
            "failed": sum(each.error is not None for each in self.outcomes),
        }


class MaintenanceFailedError(SomeTablesFailedError):
    """The upkeep of some tables or ledgers failed; that of the others is done."""

    done: MaintainedLakehouse


@flow(
    name="maintain",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("maintain")
def maintain(settings: SettingsName = "default", dry_run: bool = False) -> MaintainedLakehouse:
    """Keep up all histories, stages, ledgers and refused rows, and look at the uses of keys.

    Args:
        settings: The name of the run settings block; it says how long states are kept.
        dry_run: Only say what would be done.

    Raises:
        MaintenanceFailedError: At least one table or ledger failed. All others are done.
    """
    run_id, now = str(flow_run.get_id()), datetime.now(UTC)
    tables = tuple(
        keep_up(name, settings, run_id=run_id, now=now, dry_run=dry_run)
        for name in all_contracts(settings)
    )
    done = MaintainedLakehouse(
        tables=tables,
        stages=age_stages(settings, now=now, dry_run=dry_run),
        expired=keep_up_ledgers(settings, run_id=run_id, now=now, dry_run=dry_run),
        ledgers=maintain_ledgers(settings, now=now, dry_run=dry_run),
        keys=key_uses(settings, now=now),
    )
    lines = maintenance_lines(done)
    for key, description in _ARTIFACTS.items():
        create_table_artifact(table=list(lines[key]), key=key, description=description)
    catalog = block_lookup.settings(settings).lakehouse.catalog
    emit_event(
        names.MAINTAINED,
        resource={names.ID: names.lakehouse_resource(catalog), names.NAME: catalog},
        payload={**done.figures, "dry_run": dry_run},
    )
    if any(each.error is not None for each in done.outcomes):
        error = MaintenanceFailedError.of(
            done.outcomes,
            where="maintain",
            wanted="looked after",
            next_step="Run it again. Histories are as they were, and loads are not kept from them.",
        )
        error.done = done
        raise error
    return done


_ARTIFACTS = {
    "upkeep": "What upkeep did to each table",
    "stages": "Stages that nobody knows of any more",
    "ledgers": "Rows of ledgers that are older than they are kept",
    "ledger-upkeep": "What upkeep did to the tables of ledgers",
    "keys": "Uses of the keys that encrypt, and their limits",
}


def maintenance_lines(done: MaintainedLakehouse) -> dict[str, Sequence[dict[str, object]]]:
    """Each part as rows of plain values: those of the artifacts, and of the JSON output."""
    return {
        "upkeep": [upkeep_line(each) for each in done.tables],
        "stages": [asdict(done.stages) | {"dropped": ", ".join(done.stages.dropped)}],
        "ledgers": [asdict(each) | {"before": each.before.isoformat()} for each in done.expired],
        "ledger-upkeep": [_ledger_line(each) for each in done.ledgers],
        "keys": [asdict(each) for each in done.keys],
    }


def _ledger_line(each: LedgerUpkeep) -> dict[str, object]:
    state = "done" if each.error is None else type(each.error).__name__
    counts = {
        name: value
        for name, value in asdict(each).items()
        if name not in ("ledger", "error", "seconds")
    }
    return {
        "ledger": each.ledger,
        "state": state,
        **counts,
        "seconds": round(each.seconds, 3),
    }


if __name__ == "__main__":
    sys.exit(exit_code(maintain, sys.argv[1] if len(sys.argv) > 1 else "default"))
