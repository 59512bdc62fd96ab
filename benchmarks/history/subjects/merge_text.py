"""The one MERGE that closes versions and opens new ones, as the Delta docs write it.

Its source has each change twice: with its key, to close the current version, and without, to be
inserted.
"""

from __future__ import annotations

from benchmarks.history.cases import ATTRIBUTES, COLUMNS, KEY, TIME


def differs(one: str, other: str) -> str:
    """The condition that two aliases differ in an attribute, nulls being values."""
    return "NOT (" + " AND ".join(f"{one}.{name} <=> {other}.{name}" for name in ATTRIBUTES) + ")"


def merge_text(table: str, changes: str, *, match: str) -> str:
    """The statement.

    Args:
        table: The history table, with `valid_from`, `valid_to` and `is_current`.
        changes: A view of the changes.
        match: What the ON condition adds to the key, such as ` AND t.is_current`.
    """
    columns = ", ".join(COLUMNS)
    from_changes = ", ".join(f"c.{name}" for name in COLUMNS)
    values = ", ".join(f"s.{name}" for name in COLUMNS)
    return f"""
        MERGE INTO {table} t
        USING (
            SELECT c.{KEY} AS merge_key, {from_changes} FROM {changes} c
            UNION ALL
            SELECT NULL AS merge_key, {from_changes}
            FROM {changes} c JOIN {table} o ON c.{KEY} = o.{KEY}
            WHERE o.is_current AND {differs("o", "c")}
        ) s
        ON t.{KEY} = s.merge_key{match}
        WHEN MATCHED AND t.is_current AND {differs("t", "s")} THEN
            UPDATE SET valid_to = s.{TIME}, is_current = false
        WHEN NOT MATCHED THEN
            INSERT ({columns}, valid_from, valid_to, is_current)
            VALUES ({values}, s.{TIME}, NULL, true)
    """  # noqa: S608


def initial_rows(source: str) -> str:
    """The SELECT of a history whose versions are all current, in the order of the key."""
    return (
        f"SELECT {', '.join(COLUMNS)}, {TIME} AS valid_from, CAST(NULL AS TIMESTAMP) AS valid_to, "  # noqa: S608
        f"true AS is_current FROM {source}"
    )
