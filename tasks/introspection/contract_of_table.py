"""One table of a source, read and written down as a contract.

Promise: the text passes `strandline contracts check` as it is. The source is read in one read-only
transaction; nothing of a row is in the text, in an error or in a log.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import (
    ContractError,
    NotFoundError,
    SchemaDriftError,
    SettingsError,
    SourceValueError,
    StrandlineError,
)
from contracts.loader import problems
from contracts.model import Contract
from contracts.model.source_relation import RelationDetails
from tasks.introspection.contract_proposal import ContractNames, KnownHistory, Proposal
from tasks.introspection.contract_text import contract_text
from tasks.introspection.propose_contract import propose_contract
from tasks.introspection.sampled_rows import Sample, sampled_rows
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

__all__ = ["ContractOfTable", "contract_of_table"]

_SECONDS_TO_COUNT = 10
_NO_SAMPLES = Sample(missing="not asked for")


@dataclass(frozen=True, slots=True)
class ContractOfTable:
    """A proposed contract and the text of its file."""

    proposal: Proposal
    text: str


def contract_of_table(
    reading: SourceReading,
    table: tuple[str, str],
    names: ContractNames,
    *,
    dialect: SqlDialect,
    samples: bool,
    others: Sequence[Contract] = (),
    history: KnownHistory | None = None,
) -> ContractOfTable:
    """The contract of a table.

    Args:
        reading: A read of the source, which is over afterwards.
        table: The schema and the table.
        names: What the contract is called.
        dialect: The SQL of the source.
        samples: Whether rows are looked at, a bounded sample.
        others: The contracts that there are, for what foreign keys refer to.
        history: A history that another tool kept of the table, which the contract continues.

    Raises:
        NotFoundError: There is no such table; near names are in the message.
        SourceAccessError: Its columns are not ours to read.
        SourceUnavailableError: The database does not answer.
        ContractError: No column could be a key, or the contract would contradict itself.
    """
    try:
        details = reading.details(*table)
    except SchemaDriftError as error:
        raise NotFoundError(
            where=error.where,
            expected=error.expected,
            found=error.found,
            next_step="Correct --table: names are case-sensitive, and one with a dot is written"
            ' "in.quotes".',
        ) from None
    rows = details.rows
    if rows is None and not details.policies_hide_rows and dialect.name == POSTGRESQL.name:
        rows = _planned_rows(reading, details)
    unreadable = _unreadable(reading, details, dialect)
    sample = _NO_SAMPLES
    if samples:
        readable = [each.name for each in details.columns.values() if each.readable]
        chosen = [name for name in readable if name not in unreadable]
        sample = sampled_rows(reading, details, chosen, dialect)
    if sample.whole:
        rows = len(sample.rows)
    if rows is None and dialect.name != POSTGRESQL.name:
        rows = _counted_rows(reading, details, dialect)
    proposal = propose_contract(
        details,
        sample,
        names,
        rows=rows,
        dialect=dialect,
        unreadable=unreadable,
        others=others,
        history=history,
    )
    text = contract_text(proposal)
    _refuse_contradictions(names.contract, text)
    return ContractOfTable(proposal, text)


def _planned_rows(reading: SourceReading, details: RelationDetails) -> int | None:
    """The planner's estimate, where the statistics have none."""
    name = ".".join(
        '"' + part.replace('"', '""') + '"'
        for part in (details.relation.schema, details.relation.name)
    )
    try:
        plan = reading.query_row(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {name}")  # noqa: S608 - quoted
    except StrandlineError:
        return None
    match plan:
        case ([{"Plan": {"Plan Rows": int(rows)}}],):
            return rows
    return None


def _counted_rows(
    reading: SourceReading, details: RelationDetails, dialect: SqlDialect
) -> int | None:
    """How many rows there are, if counting them is quick."""
    query = f"SELECT COUNT(*) FROM {_origin(details, dialect)}"  # noqa: S608 - quoted
    try:
        ((count,),) = reading.rows(query, seconds=_SECONDS_TO_COUNT)
    except StrandlineError:
        return None
    return int(str(count))


def _unreadable(
    reading: SourceReading, details: RelationDetails, dialect: SqlDialect
) -> frozenset[str]:
    """Columns of which the database refuses the text: how it is written, the block says."""
    if dialect.name != "jdbc":
        return frozenset()
    texts = {
        column.name: carried.select(dialect.quoted(column.name))
        for column in details.relation.columns
        if (natural := dialect.natural_type(column)) is not None
        and (carried := dialect.carrier(column, natural)) is not None
    }

    def is_refused(*items: str) -> bool:
        query = f"SELECT {', '.join(items)} FROM {_origin(details, dialect)} WHERE 1 = 0"  # noqa: S608
        try:
            reading.rows(query, seconds=_SECONDS_TO_COUNT, most=1)
        except (SettingsError, SourceValueError):
            return True
        return False

    if not texts or not is_refused(*texts.values()):
        return frozenset()
    return frozenset(name for name, text in texts.items() if is_refused(text))


def _origin(details: RelationDetails, dialect: SqlDialect) -> str:
    relation = details.relation
    return f"{dialect.quoted(relation.schema)}.{dialect.quoted(relation.name)}"


def _refuse_contradictions(name: str, text: str) -> None:
    """Refuse a text that the loader does not take."""
    with tempfile.TemporaryDirectory(prefix="strandline-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        found = problems(path)
    if found:
        raise ContractError(
            where=f"the contract of {name}, which was not written",
            expected="a table of which a contract without problems can be made",
            found="; ".join(str(problem) for problem in found),
            next_step="Name a view of the table without what the problems name.",
        )
