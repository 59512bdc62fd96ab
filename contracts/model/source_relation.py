"""A table of a source, as the source's own catalog describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "CheckConstraint",
    "ColumnDetails",
    "ForeignKey",
    "Relation",
    "RelationColumn",
    "RelationDetails",
    "UniqueKey",
]


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column of a table of the source.

    Args:
        name: As the catalog has it, not quoted.
        type: As the database writes it, with its modifier; a domain is its base type:
            `numeric(12,2)`, `timestamp with time zone`, `integer[]`.
        kind: Which family the type is of: `base`, `array`, `enum`, `composite`, `range`,
            `multirange` or `pseudo`; of a database read by its JDBC driver, its JDBC type.
        nullable: The catalog lets it be null.
    """

    name: str
    type: str
    kind: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or foreign table of the source.

    Args:
        schema: Its schema.
        name: Its name there.
        columns: In their order.
        unique_keys: Columns that together identify every row, by an index that applies to all
            rows at any time and has no nulls; the primary key first.
        row_security: By the catalog, a policy on it or on a relation it reads may hide rows from
            its reader.
        pages: How many disk pages each table has that holds its rows: itself, or its partitions.
            Empty where its rows can't be read by page.
    """

    schema: str
    name: str
    columns: tuple[RelationColumn, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    row_security: bool
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDetails:
    """What a catalog says of a column beside its type.

    Args:
        name: As the catalog has it, not quoted.
        declared: The type as the table declares it: a domain has its own name.
        domain: Whether that type is a domain.
        labels: The labels of an enum, in their order; of other types none.
        identity: The database numbers it.
        generated: The database computes it from other columns.
        made_of: The columns that it is computed from; None: it is, and the catalog does not tell
            from which.
        comment: What the catalog says about it; empty without a comment.
        readable: Whether the session's user may read it.
    """

    name: str
    declared: str
    domain: bool
    labels: tuple[str, ...]
    identity: bool
    generated: bool
    made_of: tuple[str, ...] | None
    comment: str
    readable: bool


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index that applies to all rows; its columns may be null unless it is primary."""

    name: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns whose values occur in columns of another table, in the same order."""

    name: str
    columns: tuple[str, ...]
    schema: str
    table: str
    referenced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckConstraint:
    """A condition that every row meets, in the database's SQL.

    `column` is the one whose domain it is a constraint of, which the condition calls VALUE; empty
    for a constraint of the table.
    """

    name: str
    condition: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class RelationDetails:
    """All that a catalog says of a table.

    Args:
        relation: Its columns, types and keys.
        kind: `table`, `partitioned table`, `view`, `materialized view` or `foreign table`, or what
            else the catalog calls it.
        comment: What the catalog says about it; empty without a comment.
        owner: The role that owns it; empty where the catalog names none.
        rows: How many rows it has, by the statistics; None where they don't say.
        partitioned_by: The columns of its partition key; of an expression none.
        keys: Its unique keys, the primary one first.
        foreign_keys: Its foreign keys.
        checks: Its conditions and those of its columns' domains, as far as all rows meet them.
        indexed: The columns that an index over all rows begins with, where it can serve a bound.
        policies_hide_rows: Row-level security applies to the session's user.
        columns: By name, what is said of each column.
        untold: What this kind of catalog tells of no table, in words.
    """

    relation: Relation
    kind: str
    comment: str
    owner: str
    rows: int | None
    partitioned_by: tuple[str, ...]
    keys: tuple[UniqueKey, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[CheckConstraint, ...]
    indexed: frozenset[str]
    policies_hide_rows: bool
    columns: Mapping[str, ColumnDetails]
    untold: tuple[str, ...] = ()
