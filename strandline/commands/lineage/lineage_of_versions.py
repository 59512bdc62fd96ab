"""Where the versions of one key come from: source row, batch, run, and their entry in the ledger.

Promise: the answer has the key as the table stores it, and no other value of a row.
"""

from __future__ import annotations

from rich.text import Text

from blocks.lookup import block_lookup
from contracts.errors import NotFoundError
from strandline.commands.history_status_commands import at_moment
from strandline.queries.open_lakehouse import contract_of, open_lakehouse
from strandline.queries.parse_key_argument import example, key_values, moment_of
from strandline.queries.version_origins import VersionOrigin, read_origins
from strandline.queries.versions_of_key import read_key
from strandline.terminal.console_output import CommandOutput
from strandline.terminal.number_format import NOTHING, moment, second, value
from strandline.terminal.text_table import Heading, facts, text_table
from tasks.run.spark_error_mapping import map_spark_errors

_HEADINGS = (
    Heading("version"),
    Heading("from (UTC)"),
    Heading("to (UTC)"),
    Heading("row of (UTC)"),
    Heading("batch"),
    Heading("run", spare=True),
    Heading("loaded (UTC)", spare=True),
    Heading("lineage", spare=True),
)


def show_versions(
    screen: CommandOutput,
    table: str,
    key: str,
    *,
    as_of: str | None,
    limit: int,
    settings: str,
) -> None:
    """The way back of the key's newest versions, or of the one that held at a moment.

    Raises:
        NotFoundError: The table has no such key, or no version held then.
        UsageError: The key or the moment is not one.
    """
    run_settings = block_lookup.settings(settings)
    contract = contract_of(table, run_settings)
    wanted = key_values(key, contract)
    at = None if as_of is None else moment_of(as_of)
    with screen.waiting("Opening the lakehouse"):
        lake = open_lakehouse(run_settings)
        with map_spark_errors(contract.name, "lineage"):
            versions = lake.versions(contract)
            contract = lake.as_loaded(contract)
            most = limit if at is None else _ALL
            found = read_key(
                versions,
                lake.stored_key(contract, versions, wanted),
                contract,
                table=lake.target(contract),
                limit=most,
            )
            if not found.versions:
                raise NotFoundError(
                    where=found.table,
                    expected=f"a version with this {' and '.join(contract.key)}",
                    found="none; values are compared exactly",
                    next_step=f"strandline lineage {contract.name} --key {example(contract)}",
                )
            shown = found if at is None else at_moment(found, at)
            origins = read_origins(lake, contract, shown)
    relation = f"{contract.source.relation} of {contract.source.connection}"
    named = ", ".join(f"{name} {value(cell)}" for name, cell in shown.key.items())
    data = {
        "contract": contract.name,
        "table": shown.table,
        "key": shown.key,
        "source": contract.source.relation,
        "connection": contract.source.connection,
        "versions": origins,
    }
    rows = [_row(each) for each in reversed(origins)]
    screen.answer(
        data,
        Text.assemble((shown.table, "bold"), f"  {named}"),
        facts([("source row", f"{relation}, the row of this key at the moment named")]),
        text_table(_HEADINGS, rows, width=screen.out.width),
    )


_ALL = 1_000_000


def _row(origin: VersionOrigin) -> tuple[str, ...]:
    return (
        NOTHING if origin.number is None else str(origin.number),
        moment(origin.start),
        "open" if origin.end is None else moment(origin.end),
        moment(origin.source_moment),
        origin.batch_id or NOTHING,
        origin.run_id or NOTHING,
        second(origin.loaded),
        NOTHING if origin.lineage_id is None else str(origin.lineage_id),
    )
