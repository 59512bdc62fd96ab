"""Names that no column may have, because Strandline or Iceberg uses them itself.

Case makes no difference: Spark does not distinguish such names.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["OPERATION", "OURS", "UNFIT", "reserved_among"]

OURS = "__"
"""The prefix of a load's own columns, which it adds to those of its rows."""

OPERATION = "__operation"
"""The staged column with the operation of an event: upsert or delete."""

UNFIT = "__unfit"
"""The last column of read rows: null, or a JSON object of the values that do not fit."""

_ICEBERG = frozenset(
    {
        *("_file", "_pos", "_deleted", "_spec_id", "_partition"),
        *("_row_id", "_last_updated_sequence_number"),
        *("_change_type", "_change_ordinal", "_commit_snapshot_id"),
    }
)
"""Iceberg's metadata columns, which each table has without listing them."""


def reserved_among(names: Iterable[str], *, stored: bool) -> dict[str, str]:
    """The reserved ones among some columns' names, each with its owner.

    Args:
        names: The names.
        stored: Whether they are columns of a table of ours, or only of a source.

    Returns:
        By name, 'Strandline' or 'Iceberg'.
    """
    reserved = {}
    for name in names:
        if name.startswith(OURS):
            reserved[name] = "Strandline"
        elif stored and name.lower() in _ICEBERG:
            reserved[name] = "Iceberg"
    return reserved
