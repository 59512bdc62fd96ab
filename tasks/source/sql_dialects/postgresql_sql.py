"""PostgreSQL's SQL in the queries of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from contracts.model.source_relation import RelationColumn
from tasks.source import postgresql_to_spark_types as types
from tasks.source.carrier import Carrier
from tasks.source.sql_dialect import SqlDialect

__all__ = ["POSTGRESQL"]


class _Postgresql(SqlDialect):
    name = "postgresql"
    sessions_share_a_state = True
    no_text = "NULL::text"
    page_of_row = "ctid"

    def moment_literal(self, moment: datetime) -> str:
        """A literal without a type takes that of the column that it is compared with.

        A timestamp then ignores the zone that is written, and a timestamptz applies it.
        """
        return f"'{moment.isoformat(sep=' ', timespec='microseconds')}+00'"

    def page_literal(self, page: int) -> str:
        return f"'({page},0)'::tid"

    def quantiles(self, value: str, fractions: Sequence[float]) -> str:
        listed = ", ".join(map(str, fractions))
        return f"percentile_disc(ARRAY[{listed}]) WITHIN GROUP (ORDER BY {value})"

    def carrier(self, column: RelationColumn, wanted: str) -> Carrier | None:
        return types.carrier(column, wanted)

    def readable_as(self, column: RelationColumn) -> tuple[str, ...]:
        return types.readable_as(column)

    def distinct(self) -> str:
        return "DISTINCT "

    def unfit_values(self, unfit: Mapping[str, tuple[str, str]]) -> str:
        """Costs the conditions only, where every value is carried."""
        if not unfit:
            return self.no_text
        any_unfit = " OR ".join(is_unfit for is_unfit, _ in unfit.values())
        names = ", ".join(_text_literal(name) for name in unfit)
        values = ", ".join(
            f"CASE WHEN {is_unfit} THEN {text} END" for is_unfit, text in unfit.values()
        )
        pairs = f"json_object(ARRAY[{names}], ARRAY[{values}])"
        return f"CASE WHEN {any_unfit} THEN json_strip_nulls({pairs})::text END"

    def bucket(self, names: Sequence[str], bits: int) -> str:
        parts = ", ".join(f"COALESCE({name}::text, '')" for name in names)
        # With a collation of its own the hash does not depend on the database's.
        text = f"""concat_ws(',', {parts}) COLLATE "C\""""
        return f"(hashtextextended({text}, 0) & {2**bits - 1})"


def _text_literal(text: str) -> str:
    # With E, a backslash means the same whatever the session sets for standard strings.
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


POSTGRESQL = _Postgresql()
