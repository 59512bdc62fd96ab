"""The answers of the lakehouse to `strandline history`, `status` and `runs`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from rich.text import Text

from blocks.coordination.store_errors import StoreUnavailableError
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from contracts.errors import NotFoundError, UsageError
from contracts.model import Contract
from strandline.queries.dates_beyond_python_range import is_day, is_temporal
from strandline.queries.ledger_queries import (
    read_last_runs,
    read_runs,
    read_status,
)
from strandline.queries.open_lakehouse import contract_of, open_lakehouse
from strandline.queries.parse_key_argument import example, key_values, moment_of
from strandline.queries.source_states import (
    SourceState,
    connections_of,
    read_source_states,
    source_documents,
)
from strandline.queries.versions_of_key import KeyHistory, Moment, read_key
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.source_tables import left_alone_page
from strandline.terminal.status_tables import backup_line, runs_page, status_page
from strandline.terminal.version_chart import version_chart
from tasks.recovery.newest_backup import newest_backup
from tasks.run.spark_error_mapping import map_spark_errors

_ALL = 1_000_000


def history(
    screen: CommandOutput, table: str, key: str, *, as_of: str | None, limit: int, settings: str
) -> None:
    """The versions of one key on a timeline."""
    moment = None if as_of is None else moment_of(as_of)
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    values = key_values(key, contract)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(contract.name, "history"):
            contract = lake.as_loaded(contract)
            versions = lake.versions(contract)
            key_history = read_key(
                versions,
                lake.stored_key(contract, versions, values),
                contract,
                table=lake.target(contract),
                limit=limit if moment is None else _ALL,
            )
    if not key_history.versions:
        raise _key_not_found(contract, key_history)
    shown = key_history if moment is None else at_moment(key_history, moment)
    screen.answer(
        history_data(shown),
        version_chart(
            shown,
            now=datetime.now(UTC),
            width=screen.out.width,
            blocks=screen.out.encoding.startswith("utf"),
        ),
    )


def at_moment(key_history: KeyHistory, moment: datetime) -> KeyHistory:
    """The history with only the version that held at the moment.

    Raises:
        NotFoundError: No version held then.
        UsageError: The versions of the table are ordered by numbers, not by time.
    """
    first = key_history.versions[0].start
    instant: Moment = moment
    if not is_temporal(first):
        raise UsageError(
            where=f"--as-of of {key_history.contract}",
            expected="a table whose versions are ordered by time",
            found="one whose versions are ordered by numbers",
            next_step="Leave out --as-of.",
        )
    if is_day(first):
        instant = moment.date()
    versions = tuple(version for version in key_history.versions if version.holds_at(instant))
    if not versions:
        raise NotFoundError(
            where=key_history.table,
            expected="a version of this key that held at that moment",
            found="none: the record was not there yet, or was deleted",
            next_step="Leave out --as-of to see all versions.",
        )
    newest = key_history.versions[-1]
    return replace(key_history, versions=versions, later=versions[-1] is not newest)


def history_data(key_history: KeyHistory) -> dict[str, object]:
    """The history in plain values, for `--json`."""
    return {
        "contract": key_history.contract,
        "table": key_history.table,
        "key": key_history.key,
        "earlier_left_out": key_history.earlier,
        "versions": [
            {
                "from": each.start,
                "to": each.end,
                "open": each.is_open,
                "values": each.values,
                "record": each.record,
            }
            for each in key_history.versions
        ],
    }


def status(screen: CommandOutput, *, settings: str) -> None:
    """The status of each table: versions, last load, watermark, quality; sources, the backup."""
    run_settings = block_lookup.settings(settings)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        contracts = lake.contracts()
        with map_spark_errors(settings, "status"):
            ledger = lake.ledger("run_metrics")
            last = read_last_runs(ledger) if ledger is not None else {}
            statuses = [
                read_status(lake.spark, each, lake.target(each), last.get(lake.target(each)))
                for each in contracts.values()
            ]
    sources = _sources(run_settings, contracts.values())
    backup = newest_backup(run_settings, now=datetime.now(UTC))
    width = screen.out.width
    screen.answer(
        {"tables": statuses, "sources": sources, "backup": backup},
        status_page(statuses, width=width),
        *left_alone_page(sources, width=width),
        backup_line(backup),
    )


def _sources(settings: RunSettings, contracts: Iterable[Contract]) -> tuple[SourceState, ...]:
    """The states of the sources; none where the place of the states does not answer."""
    with suppress(StoreUnavailableError, ValueError):
        return read_source_states(source_documents(settings), connections_of(contracts))
    return ()


def runs(screen: CommandOutput, contract: str | None, *, limit: int, settings: str) -> None:
    """How the last loads went, newest first."""
    run_settings = block_lookup.settings(settings)
    name = None if contract is None else contract_of(contract, run_settings).name
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(name or settings, "runs"):
            ledger = lake.ledger("run_metrics")
            newest = read_runs(ledger, contract=name, limit=limit) if ledger is not None else []
    if not newest:
        screen.answer({"runs": []}, Text(f"no runs so far; strandline run {name or 'CONTRACT'}"))
        return
    screen.answer({"runs": newest}, runs_page(newest, width=screen.out.width))


def _key_not_found(contract: Contract, key_history: KeyHistory) -> NotFoundError:
    return NotFoundError(
        where=key_history.table,
        expected=f"a version with this {' and '.join(contract.key)}",
        found="none; values are compared exactly, upper and lower case included",
        next_step=f"Correct the key: strandline history {contract.name} {example(contract)}",
    )
