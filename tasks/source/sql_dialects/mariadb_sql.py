"""The SQL of MariaDB and MySQL in the queries of a source, in a session with ANSI_QUOTES."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import Carrier
from tasks.source.mariadb_to_spark_types import mariadb_carrier, mariadb_readable_as
from tasks.source.sql_dialect import SqlDialect

__all__ = ["MARIADB"]

_BITS_OF_A_DIGIT = 4
_FIRST_DAY = "DATE '0001-01-01'"


class _Mariadb(SqlDialect):
    name = "mariadb"

    def incomparable_time(self, quoted: str) -> str:
        """A zero date, which is before all others: by an index it is found like a bound."""
        return f"{quoted} < {_FIRST_DAY}"

    def carrier(self, column: RelationColumn, wanted: str) -> Carrier | None:
        return mariadb_carrier(column, wanted)

    def readable_as(self, column: RelationColumn) -> tuple[str, ...]:
        return mariadb_readable_as(column)

    def bucket(self, names: Sequence[str], bits: int) -> str:
        parts = ", ".join(f"COALESCE(CAST({name} AS CHAR), '')" for name in names)
        digits = max(bits // _BITS_OF_A_DIGIT, 1)
        return f"CONV(SUBSTRING(MD5(CONCAT_WS(',', {parts})), 1, {digits}), 16, 10) + 0"


MARIADB = _Mariadb()
