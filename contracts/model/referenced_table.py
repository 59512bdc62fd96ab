"""The tables that a contract's reference checks look values up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from contracts.model.check_registry import RULES, Scope
from contracts.model.contract import Check, Contract


@dataclass(frozen=True, slots=True)
class ReferencedTable:
    """Another table, and the columns that checks look up in it.

    Attributes:
        relation: A table of a source, `schema.table`; empty for a history.
        connection: The source's connection; empty for the contract's own.
        history: A history table of ours, `namespace.table`; its open versions are looked up.
        columns: The names of the columns.
    """

    relation: str = ""
    connection: str = ""
    history: str = ""
    columns: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Tells it from the other tables of the contract, and names it in messages."""
        if self.history:
            return f"history {self.history}"
        return f"{self.relation} of {self.connection}" if self.connection else self.relation


def referenced_table(check: Check) -> ReferencedTable:
    """The table that a reference check looks its value up in."""
    given = {name: str(check.arguments.get(name) or "") for name in ("relation", "connection")}
    history = str(check.arguments.get("history") or "")
    columns = frozenset({str(check.arguments["column"])})
    return ReferencedTable(**given, history=history, columns=columns)


def referenced_tables(contract: Contract) -> Mapping[str, ReferencedTable]:
    """All tables that the checks of a contract refer to, by key, each with all columns needed."""
    tables: dict[str, ReferencedTable] = {}
    for check in contract.checks:
        if RULES[check.rule].scope is Scope.REFERENCE:
            table = referenced_table(check)
            known = tables.get(table.key, table)
            tables[table.key] = replace(known, columns=known.columns | table.columns)
    return tables
