"""Reading a history: current rows, rows as of a moment, differences, SQL views, what roles see.

Changes no table.
"""

from __future__ import annotations

from history.reading.point_in_time import as_of, current
from history.reading.published_snapshots import (
    changed_rows,
    published_states,
    state_at,
    state_named,
)
from history.reading.role_views import (
    RefreshedViews,
    SecureView,
    refresh_role_views,
    role_query,
    role_view,
)
from history.reading.sql_views import create_views, open_as_of
from history.reading.version_diff import difference, held_difference

__all__ = [
    "RefreshedViews",
    "SecureView",
    "as_of",
    "changed_rows",
    "create_views",
    "current",
    "difference",
    "held_difference",
    "open_as_of",
    "published_states",
    "refresh_role_views",
    "role_query",
    "role_view",
    "state_at",
    "state_named",
]
