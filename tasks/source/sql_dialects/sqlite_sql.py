"""SQLite's SQL in the queries of a source.

SQLite has no type of times: they are text, which compares by its characters. A time is compared
in one form, `2024-05-01 00:00:00.000000` in UTC. Rows with a time in another form (another zone, a
number) are read by every load, so that each is judged and none is overlooked.

SQLite, "Date And Time Functions": the forms 1 to 7 of a time value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import reduce

from contracts.model.source_relation import RelationColumn
from tasks.source.carrier import Carrier
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sqlite_to_spark_types import sqlite_carrier, sqlite_readable_as

__all__ = ["SQLITE"]

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_MINUTE = f"{_DAY}[ T][0-9][0-9]:[0-9][0-9]"
_SECOND = f"{_MINUTE}:[0-9][0-9]"
_PAIRS = 50
"""So many pairs go into one object: a function of SQLite has at most 127 arguments."""
_MIDNIGHT = "0000-00-00 00:00:00.000000"


class _Sqlite(SqlDialect):
    name = "sqlite"

    def moment_literal(self, moment: datetime) -> str:
        return f"'{moment.isoformat(sep=' ', timespec='microseconds')}'"

    def date_literal(self, day: date) -> str:
        return self.moment_literal(datetime(day.year, day.month, day.day))  # noqa: DTZ001

    def comparable_time(self, quoted: str) -> str:
        plain = (
            f"CASE WHEN {quoted} LIKE '%+00:00' THEN substr({quoted}, 1, length({quoted}) - 6)"
            f" ELSE rtrim({quoted}, 'Z') END"
        )
        fraction = (
            f"({plain}) GLOB '{_SECOND}.[0-9]*' AND substr({plain}, 21) NOT GLOB '*[^0-9]*'"
            f" AND length({plain}) <= 26"
        )
        forms = " OR ".join(f"({plain}) GLOB '{form}'" for form in (_DAY, _MINUTE, _SECOND))
        padded = f"replace({plain}, 'T', ' ') || substr('{_MIDNIGHT}', length({plain}) + 1)"
        return f"CASE WHEN typeof({quoted}) = 'text' AND ({forms} OR {fraction}) THEN {padded} END"

    def incomparable_time(self, quoted: str) -> str:
        return f"{quoted} IS NOT NULL AND ({self.comparable_time(quoted)}) IS NULL"

    def carrier(self, column: RelationColumn, wanted: str) -> Carrier | None:
        return sqlite_carrier(column, wanted)

    def readable_as(self, column: RelationColumn) -> tuple[str, ...]:
        return sqlite_readable_as(column)

    def unfit_values(self, unfit: Mapping[str, tuple[str, str]]) -> str:
        """A patch of an empty object leaves out what is null (RFC 7396)."""
        if not unfit:
            return self.no_text
        any_unfit = " OR ".join(f"({is_unfit})" for is_unfit, _ in unfit.values())
        pairs = [
            f"{_text_literal(name)}, CASE WHEN {is_unfit} THEN {text} END"
            for name, (is_unfit, text) in unfit.items()
        ]
        objects = (", ".join(pairs[at : at + _PAIRS]) for at in range(0, len(pairs), _PAIRS))
        patched = reduce(
            lambda json, some: f"json_patch({json}, json_object({some}))", objects, "'{}'"
        )
        return f"CASE WHEN {any_unfit} THEN {patched} END"


def _text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SQLITE = _Sqlite()
