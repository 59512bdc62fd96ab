"""Reading a history: current rows, rows as of a moment, differences, and SQL views.

Changes nothing.
"""

from __future__ import annotations

from history.reading.point_in_time import as_of, current
from history.reading.published_snapshots import (
    changed_rows,
    published_states,
    state_at,
    state_named,
)
from history.reading.sql_views import create_views, open_as_of
from history.reading.version_diff import difference, held_difference

__all__ = [
    "as_of",
    "changed_rows",
    "create_views",
    "current",
    "difference",
    "held_difference",
    "open_as_of",
    "published_states",
    "state_at",
    "state_named",
]
