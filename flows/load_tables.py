"""Load several tables side by side; one that fails never stops another.

`python -m flows.load_tables CONTRACT...` runs it from the shell.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from contracts.errors import SettingsError, StrandlineError, UnexpectedError
from flows.failure_alert_hook import send_failure_alert
from flows.flow_parameters import ContractName, KeyCount, SettingsName
from flows.flow_run import started, this_run
from flows.load_steps import load
from flows.release.load_green import bring_up_to_date, follow
from flows.run_page.load_artifacts import show_load
from flows.shell_exit_codes import exit_code
from flows.tables_failed import SomeTablesFailedError
from tasks.lifecycle.open_run import contracts_to_load, open_run, run_settings
from tasks.run.step_results import LoadSummary
from tasks.run.unexpected_errors import map_unexpected_errors, without_unexpected_errors


@dataclass(frozen=True, slots=True)
class TableOutcome:
    """How one table's load ended: with a summary, or with the error that stopped it."""

    contract: str
    summary: LoadSummary | None
    error: StrandlineError | None

    @property
    def state(self) -> str:
        """'published', 'unchanged', or the kind of error."""
        if self.summary is not None:
            return "published" if self.summary.report.published else "unchanged"
        return type(self.error).__name__


class TablesFailedError(SomeTablesFailedError):
    """Some tables could not be loaded; the others were, and running again loads the rest."""

    outcomes: tuple[TableOutcome, ...] = ()


@flow(
    name="load-tables",
    # Prefect's own settings say whether and where results are kept: counts, never rows.
    on_failure=[send_failure_alert],
    on_crashed=[send_failure_alert],
)
@without_unexpected_errors("load-tables")
def load_tables(
    contracts: list[ContractName],
    settings: SettingsName = "default",
    closes_at_most: KeyCount | None = None,
    full: bool = False,
) -> tuple[TableOutcome, ...]:
    """Load the tables of several contracts, a few at a time.

    Args:
        contracts: Names of contracts, or of their target tables.
        settings: The name of the run settings block; it says how many run side by side and how
            long each may take.
        closes_at_most: Of each table, close so many keys that a full read lacks; without it as
            many as its contract allows.
        full: Read the whole sources, also where a contract reads what is new.

    Raises:
        TablesFailedError: At least one of them failed. All others were loaded.
    """
    names = contracts_to_load(contracts, settings)
    if not names:
        raise SettingsError(
            where="load-tables",
            expected="at least one contract",
            found="none",
            next_step="Name the contracts to load; strandline contracts list shows them.",
        )
    outcomes = _side_by_side(names, settings, closes_at_most, full=full)
    _show(outcomes)
    if any(each.error is not None for each in outcomes):
        raise TablesFailedError.of(
            outcomes,
            where="load-tables",
            wanted="loaded",
            next_step="The other tables are loaded. Each failure was told with its own next step.",
        )
    return outcomes


def _show(outcomes: Sequence[TableOutcome]) -> None:
    """Show the outcomes on the run's page; a page that fails changes no outcome."""
    with suppress(UnexpectedError), map_unexpected_errors("load-tables, page of the run"):
        for outcome in outcomes:
            if outcome.summary is not None:
                show_load(outcome.summary)
        create_table_artifact(
            table=[{"contract": each.contract, "state": each.state} for each in outcomes],
            key="load-tables",
            description="How each table's load ended",
        )


def _side_by_side(
    names: Sequence[str], settings: str, closes_at_most: int | None, *, full: bool
) -> tuple[TableOutcome, ...]:
    """Tasks and not subflows: a subflow waits a second for its heartbeat to end."""
    limit = run_settings(settings).side_by_side
    with ThreadPoolTaskRunner[TableOutcome](max_workers=limit) as runner:
        futures = [
            runner.submit(
                load_one,
                {
                    "contract": name,
                    "settings": settings,
                    "closes_at_most": closes_at_most,
                    "full": full,
                },
            )
            for name in names
        ]
        return tuple(_ended(*each) for each in zip(names, futures, strict=True))


def _ended(name: str, future: PrefectFuture[TableOutcome]) -> TableOutcome:
    """How the load ended, also where Prefect itself failed."""
    try:
        with map_unexpected_errors(name):
            return future.result()
    except StrandlineError as error:
        return TableOutcome(name, None, error)


@task(name="load-one", task_run_name="load-{contract}", cache_policy=NO_CACHE, persist_result=False)
@without_unexpected_errors("load-one")
def load_one(
    contract: str, settings: str, closes_at_most: int | None = None, *, full: bool = False
) -> TableOutcome:
    """Load one table; what stops it is an outcome, not an exception."""
    try:
        with (
            map_unexpected_errors(contract),
            open_run(contract, settings, run_id=this_run(contract), started=started()) as opened,
        ):
            run = replace(opened.run, closes_at_most=closes_at_most, full=full)
            summary = load(replace(opened, run=run))
            green_follows = follow(opened)
    except StrandlineError as error:
        return TableOutcome(contract, None, error)
    if green_follows:
        bring_up_to_date(contract, settings)
    return TableOutcome(contract, summary, None)


if __name__ == "__main__":
    sys.exit(exit_code(load_tables, sys.argv[1:]))
