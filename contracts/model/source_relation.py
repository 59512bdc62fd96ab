"""A table of a source, as the source's own catalog describes it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Relation", "RelationColumn"]


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column of a table of the source.

    Args:
        name: As the catalog has it, not quoted.
        type: As the database writes it, with its modifier; a domain is its base type:
            `numeric(12,2)`, `timestamp with time zone`, `integer[]`.
        kind: Which family the type is of: `base`, `array`, `enum`, `composite`, `range`,
            `multirange` or `pseudo`.
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
    """

    schema: str
    name: str
    columns: tuple[RelationColumn, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    row_security: bool
