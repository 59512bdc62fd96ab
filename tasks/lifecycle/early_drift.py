"""Which contracts do not fit their sources, asked before anything is started that takes seconds.

Promise: only what a load would refuse in the same words is refused; all else, an unreachable
database too, is left to the load, which tries again and tells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.lookup import block_lookup
from contracts.errors import SchemaDriftError, StrandlineError
from tasks.lifecycle.open_run import contract_and_settings
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.source_schema_drift import refuse_drift

__all__ = ["early_drift"]

_SECONDS = 10


def early_drift(names: Sequence[str], settings: str) -> Mapping[str, SchemaDriftError]:
    """The refusals, by the contracts' names.

    Args:
        names: Names of contracts.
        settings: The name of the run settings.
    """
    found: dict[str, SchemaDriftError] = {}
    for name in names:
        try:
            _refuse_drift(name, settings)
        except SchemaDriftError as error:
            found[name] = error
        except StrandlineError:
            continue
    return found


def _refuse_drift(name: str, settings: str) -> None:
    contract, _ = contract_and_settings(name, settings)
    source = block_lookup.source(contract.source.connection)
    # A database behind a JDBC driver is asked by Spark's JVM, which the load starts.
    if source.dialect == "jdbc":
        return
    with source.reading(_SECONDS) as reading:
        relation = reading.relation(contract.source.schema, contract.source.table)
        refuse_drift(relation, contract, sql_dialect_of(source))
