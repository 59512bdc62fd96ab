"""Upkeep of the histories of all contracts, or of some: the flow.

`python -m flows.upkeep CONTRACT...` runs it from the shell.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, SettingsName
from flows.shell_exit_codes import exit_code
from flows.tables_failed import SomeTablesFailedError
from tasks.keep_up_ledgers import keep_up_ledgers
from tasks.lifecycle.open_run import known_contracts
from tasks.run.unexpected_errors import without_unexpected_errors
from tasks.upkeep import UpkeepOutcome, all_contracts, keep_up

_MEGABYTE = 1024 * 1024


class UpkeepFailedError(SomeTablesFailedError):
    """The upkeep of some tables failed; the others are done."""

    outcomes: tuple[UpkeepOutcome, ...] = ()


@flow(
    name="upkeep",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("upkeep")
def upkeep(
    contracts: list[ContractName] | None = None,
    settings: SettingsName = "default",
    dry_run: bool = False,
) -> tuple[UpkeepOutcome, ...]:
    """Compact histories, expire old snapshots, remove what loads left over; one table at a time.

    With all contracts, also the rows of ledgers go whose retention is over.

    Args:
        contracts: Names of contracts, or of their target tables; none for all.
        settings: The name of the run settings block; it says how long states are kept.
        dry_run: Only say what would be done.

    Raises:
        UpkeepFailedError: At least one table failed. All others are done.
    """
    names = known_contracts(contracts, settings) if contracts else all_contracts(settings)
    run_id, now = str(flow_run.get_id()), datetime.now(UTC)
    outcomes = tuple(
        keep_up(name, settings, run_id=run_id, now=now, dry_run=dry_run) for name in names
    )
    create_table_artifact(
        table=[upkeep_line(each) for each in outcomes],
        key="upkeep",
        description="What upkeep would do to each table" if dry_run else "What upkeep did",
    )
    if not contracts:
        # The ledgers are of all tables.
        expired = keep_up_ledgers(settings, run_id=run_id, now=now, dry_run=dry_run)
        create_table_artifact(
            table=[asdict(each) | {"before": each.before.isoformat()} for each in expired],
            key="ledgers",
            description="Rows of ledgers that are older than they are kept",
        )
    if any(each.error is not None for each in outcomes):
        raise UpkeepFailedError.of(
            outcomes,
            where="upkeep",
            wanted="looked after",
            next_step="Run it again. Histories are as they were, and loads are not kept from them.",
        )
    return outcomes


def upkeep_line(outcome: UpkeepOutcome) -> dict[str, object]:
    """One outcome as plain values: a row of the artifact and of the JSON output."""
    row: dict[str, object] = {
        "contract": outcome.contract,
        "table": outcome.target,
        "state": outcome.state,
        "seconds": round(outcome.seconds, 3),
    }
    report = outcome.report
    if report is None:
        return row
    counts = asdict(report)
    del counts["table"]
    for name in ("before", "after"):
        files = counts.pop(name)
        row[f"files_{name}"] = files["data"] + files["deletes"]
        row[f"megabytes_{name}"] = round(files["octets"] / _MEGABYTE, 3)
    counts["files_rewritten"] = counts.pop("rewritten")
    counts["manifests_joined"] = counts.pop("manifests")
    counts["orphans_removed"] = counts.pop("orphans")
    return row | counts


if __name__ == "__main__":
    sys.exit(exit_code(upkeep, sys.argv[1:] or None))
