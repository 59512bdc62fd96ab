"""The SQL of a database that is only known by its JDBC driver and the settings of its block."""

from __future__ import annotations

from datetime import UTC, date, datetime

from blocks.jdbc.jdbc_settings import JdbcSettings
from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import Carrier
from tasks.source.jdbc_to_spark_types import jdbc_carrier, jdbc_readable_as
from tasks.source.sql_dialect import SqlDialect

__all__ = ["JdbcSql"]

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


class JdbcSql(SqlDialect):
    """Standard SQL with JDBC's escapes, but for what the block says."""

    name = "jdbc"
    # Standard SQL has no null without a type there.
    no_text = "CAST(NULL AS VARCHAR(1))"
    no_value = "CAST(NULL AS INTEGER)"

    def __init__(self, settings: JdbcSettings) -> None:
        self._settings = settings

    def moment_literal(self, moment: datetime) -> str:
        """As the block says."""
        written = moment.isoformat(sep=" ", timespec="microseconds")
        return self._settings.timestamp_literal.format(moment=written)

    def date_literal(self, day: date) -> str:
        """As the block says."""
        return self._settings.date_literal.format(day=day.isoformat())

    def incomparable_time(self, quoted: str) -> str:
        """One before the first year, which no text of the grammar says; an index finds it."""
        return f"{quoted} < {self.literal(_FIRST)}"

    def carrier(self, column: RelationColumn, wanted: str) -> Carrier | None:
        """By JDBC type."""
        return jdbc_carrier(self._settings, column, wanted)

    def readable_as(self, column: RelationColumn) -> tuple[str, ...]:
        """By JDBC type."""
        return jdbc_readable_as(self._settings, column)
