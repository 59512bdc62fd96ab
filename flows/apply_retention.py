"""The retention of all contracts that say one, or of some: the flow.

`python -m flows.apply_retention CONTRACT...` runs it from the shell.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, SettingsName
from flows.shell_exit_codes import exit_code
from flows.tables_failed import SomeTablesFailedError
from tasks.lifecycle.open_run import known_contracts
from tasks.retention.retain_table import RetentionOutcome, contracts_with_retention, retain_table
from tasks.run.unexpected_errors import without_unexpected_errors


class RetentionFailedError(SomeTablesFailedError):
    """The retention of some tables was not applied; that of the others was."""

    outcomes: tuple[RetentionOutcome, ...] = ()


@flow(
    name="apply-retention",
    persist_result=False,
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("apply-retention")
def apply_retention(
    contracts: list[ContractName] | None = None,
    settings: SettingsName = "default",
    dry_run: bool = False,
) -> tuple[RetentionOutcome, ...]:
    """Anonymise or delete records that were kept long enough; one table at a time.

    Args:
        contracts: Names of contracts, or of their target tables; none for all that say a retention.
        settings: The name of the run settings block.
        dry_run: Only say what would be done.

    Raises:
        RetentionFailedError: At least one table failed. All others are done.
    """
    names = (
        known_contracts(contracts, settings) if contracts else contracts_with_retention(settings)
    )
    run_id, now = str(flow_run.get_id()), datetime.now(UTC)
    outcomes = tuple(
        retain_table(name, settings, run_id=run_id, now=now, dry_run=dry_run) for name in names
    )
    create_table_artifact(
        table=[retention_line(each) for each in outcomes],
        key="retention",
        description="What retention would do" if dry_run else "What retention did",
    )
    if any(each.error is not None for each in outcomes):
        raise RetentionFailedError.of(
            outcomes,
            where="retention",
            wanted="rid of what was kept long enough",
            next_step="Their histories are as they were. Mend what each of them says, and run it "
            "again.",
        )
    return outcomes


def retention_line(outcome: RetentionOutcome) -> dict[str, object]:
    """One outcome as plain values: a row of the artifact and of the JSON output."""
    return {
        "contract": outcome.contract,
        "table": outcome.target,
        "state": outcome.state,
        "action": outcome.action,
        **outcome.counts,
        "beside_is_held": outcome.beside_is_held,
        "seconds": round(outcome.seconds, 3),
    }


if __name__ == "__main__":
    sys.exit(exit_code(apply_retention, sys.argv[1:] or None))
