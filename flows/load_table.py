"""Load one table: the flow. Its steps are in `flows.load_steps`.

`python -m flows.load_table CONTRACT` runs it from the shell.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from prefect import flow

from contracts.errors import QualityGateError
from flows.decisions.approve_batch import approved_load
from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, KeyCount, Minutes, SettingsName
from flows.flow_run import started, this_run
from flows.load_steps import load
from flows.release.load_green import bring_up_to_date, follow
from flows.run_page.load_artifacts import show_load
from flows.shell_exit_codes import exit_code
from tasks.lifecycle.open_run import open_run
from tasks.run.run_context import batch_name
from tasks.run.step_results import LoadSummary
from tasks.run.unexpected_errors import without_unexpected_errors


@flow(
    name="load-table",
    flow_run_name="load-{contract}",
    # Prefect's own settings say whether and where results are kept: counts, never rows.
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("load-table")
def load_table(
    contract: ContractName,
    settings: SettingsName = "default",
    closes_at_most: KeyCount | None = None,
    full: bool = False,
    approval_minutes: Minutes = 0,
) -> LoadSummary:
    """Load what is new in the source of one contract into its history.

    Args:
        contract: The name of a contract, or of its target table.
        settings: The name of the run settings block.
        closes_at_most: Close so many keys that a full read lacks; without it as many as the
            contract allows.
        full: Read the whole source, also where the contract reads what is new.
        approval_minutes: So long the run waits for a person's decision on a batch that the
            contract's gate keeps back; 0: it fails at once. Prefect asks for it on the run's page.
    """
    run_id, start = this_run(contract), started()
    try:
        with open_run(contract, settings, run_id=run_id, started=start) as opened:
            run = replace(opened.run, closes_at_most=closes_at_most, full=full)
            summary = load(replace(opened, run=run))
            green_follows = follow(opened)
    except QualityGateError as closed:
        if not approval_minutes:
            raise
        batch_id = batch_name(run_id, start)
        summary = approved_load(contract, settings, batch_id, closed, minutes=approval_minutes)
        green_follows = False
    show_load(summary)
    if green_follows:
        bring_up_to_date(contract, settings)
    return summary


if __name__ == "__main__":
    # The arguments are text; the flow parses them as its parameters.
    sys.exit(exit_code(load_table, *sys.argv[1:]))  # type: ignore[arg-type]
