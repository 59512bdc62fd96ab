"""Names that no column may have, because what a table is made with uses them itself.

Case makes no difference: Spark does not tell such names apart.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["OURS", "UNFIT", "reserved_among"]

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


def reserved_among(names: Iterable[str], *, stored: bool) -> dict[str, str]:
    """Of some columns' names those that are reserved, with who reserves them.

    Args:
        names: The names.
        stored: Whether they are columns of a table of ours, or of a source alone.

    Returns:
        By name, 'Strandline' or 'Iceberg'.
    """
    found = {}
    for name in names:
        if name.startswith(OURS):
            found[name] = "Strandline"
        elif stored and name.lower() in _ICEBERG:
            found[name] = "Iceberg"
    return found
