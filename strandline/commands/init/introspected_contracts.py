"""The contracts of a project's first tables, from what their database says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blocks.source_database import SourceDatabase
from contracts.errors import ContractError, StrandlineError
from strandline.commands.init.database_address import DatabaseAddress
from strandline.terminal.console_output import CommandOutput
from tasks.introspection.contract_of_table import ContractOfTable, contract_of_table
from tasks.introspection.contract_proposal import ContractNames
from tasks.introspection.contract_text import Decision, decisions_in
from tasks.introspection.list_tables import ListedTable
from tasks.introspection.target_names import identifier, usual_namespace
from tasks.source.dialect_of_source import sql_dialect_of

__all__ = ["IntrospectedContract", "introspected_contracts"]

_CAN_WAIT = frozenset({"load", "subject"})
"""Decisions that change nothing of what a first load stores."""


@dataclass(frozen=True, slots=True)
class IntrospectedContract:
    """A contract that was made of a table, and is not written yet."""

    table: ListedTable
    names: ContractNames
    made: ContractOfTable

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What there is to decide; a line's number is that in the written file."""
        # The file begins with a line for editors.
        return tuple(Decision(each.line + 1, each.text) for each in decisions_in(self.made.text))

    @property
    def is_ready(self) -> bool:
        """Whether it may be loaded before anybody decided."""
        proposal = self.made.proposal
        undecided = any(column.decisions for column in proposal.columns)
        return not undecided and _CAN_WAIT.issuperset(proposal.decisions)


def introspected_contracts(
    screen: CommandOutput,
    address: DatabaseAddress,
    source: SourceDatabase,
    tables: Sequence[ListedTable],
    *,
    samples: bool,
) -> tuple[IntrospectedContract, ...]:
    """A contract for each table; none where one table can have none.

    Raises:
        ContractError: Of all tables of which no contract can be made.
        StrandlineError: The database does not answer, or refuses.
    """
    found, problems = [], []
    for table, names in zip(tables, _names(address, tables), strict=True):
        try:
            with screen.waiting(f"Reading {table.qualified}"), source.reading() as reading:
                made = contract_of_table(
                    reading,
                    (table.schema, table.name),
                    names,
                    dialect=sql_dialect_of(source),
                    samples=samples,
                )
        except ContractError as error:
            problems.append(error)
            continue
        found.append(IntrospectedContract(table, names, made))
    if problems:
        raise _refusal(problems)
    return tuple(found)


def _names(address: DatabaseAddress, tables: Sequence[ListedTable]) -> tuple[ContractNames, ...]:
    """What each contract is called; by its schema too, where two tables have one name."""
    connection = address.name.replace("-", "_")
    plain = [identifier(each.name, "table").lower() for each in tables]
    names = []
    for table, name in zip(tables, plain, strict=True):
        namespace = usual_namespace(connection, table.schema)
        schema = identifier(table.schema, "schema").lower()
        contract = name if plain.count(name) == 1 else f"{schema}_{name}"
        names.append(ContractNames(contract, connection, namespace, name))
    return tuple(names)


def _refusal(problems: Sequence[StrandlineError]) -> StrandlineError:
    if len(problems) == 1:
        return problems[0]
    return ContractError(
        where="the contracts, none of which was written",
        expected="tables of which contracts can be made",
        found="\n".join(f"{each.where}: {each.found}" for each in problems),
        next_step="Leave those tables out. Nothing was made.",
    )
