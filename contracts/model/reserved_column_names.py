"""Names that no column may have, because what a table is made with uses them itself.

Case makes no difference: Spark does not tell such names apart.
"""

from __future__ import annotations

__all__ = ["OURS", "UNFIT", "reserved_of"]

OURS = "__"
"""What the names of columns begin with that a load uses beside those of its rows."""

UNFIT = "__unfit"
"""The last column of rows that were read: null, or a JSON object of what could not be carried."""

_ICEBERG = frozenset(
    {
        *("_file", "_pos", "_deleted", "_spec_id", "_partition"),
        *("_row_id", "_last_updated_sequence_number"),
        *("_change_type", "_change_ordinal", "_commit_snapshot_id"),
    }
)
"""Columns that each Iceberg table has without having them: asked for by name, they are found."""


def reserved_of(name: str, *, stored: bool) -> str | None:
    """Who reserves a column's name: 'Strandline' or 'Iceberg'; None: nobody.

    Args:
        name: The column's name.
        stored: Whether it is a column of a table of ours, or of a source alone.
    """
    if name.startswith(OURS):
        return "Strandline"
    return "Iceberg" if stored and name.lower() in _ICEBERG else None
