"""The properties in which a history table records how it is kept, and since when.

A load compares its settings with them, so that no change of settings goes unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pyspark.sql import SparkSession

from contracts.errors import EnvironmentUnfitError
from history.iceberg import branches
from history.iceberg.property_name_escaping import HIDDEN, escaped, unescaped
from history.iceberg.table_metadata import current_and_properties
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.history_settings import HistorySettings

TRACKED = "strandline.tracked"
"""Columns whose change opens a version."""
CARRIED = "strandline.carried"
"""Columns that a version keeps from the event that opened it."""
ORDER = "strandline.order"
"""Key, sequence, tie-breaker and first start."""
FINGERPRINT = "strandline.fingerprint"
"""The column that is compared, and the columns that it covers."""
PARTITIONING = "strandline.partitioning"
"""The terms of the partitioning that the settings named last."""
SOURCE_KIND = "strandline.source-kind"
"""`state` for a source of current rows, `events` for a log."""
OBSERVED_SINCE = "strandline.observed-since"
"""An instant before the first read of a table as it is now."""
STATE, EVENTS = "state", "events"
ADDED = "strandline.added."
"""Since when the column is there, as a bound of sequences."""
DROPPED = "strandline.dropped."
"""Since when events lack the column."""


@dataclass(frozen=True, slots=True)
class TableProperties:
    """How a table is kept.

    Attributes:
        tracked: Columns whose change opens a version, dropped ones included.
        carried: Columns that a version keeps from the event that opened it, dropped ones included.
        order: Key, sequence, tie-breaker and first start.
        fingerprint: The column that is compared instead of `covered`; None for none.
        covered: The columns that the fingerprint is made of.
        partitioning: The terms that the settings named last.
        evolved: Columns that were added or dropped, which some events do not have.
        kind: 'state' for a source of current rows, 'events' for a log of changes.
        observed_since: An instant before the first read of a state source, where the table was
            loaded from events before.
    """

    tracked: tuple[str, ...]
    carried: tuple[str, ...]
    order: tuple[str, ...]
    fingerprint: str | None
    covered: tuple[str, ...]
    partitioning: tuple[str, ...]
    evolved: tuple[EvolvedColumn, ...] = ()
    kind: str = EVENTS
    observed_since: datetime | None = None

    @classmethod
    def from_settings(cls, settings: HistorySettings, columns: Iterable[str]) -> TableProperties:
        """The properties that these settings imply for a table with these event columns."""
        columns = tuple(columns)
        tracked = tuple(name for name in settings.tracking(columns) if name in columns)
        return cls(
            tracked=tracked,
            carried=tuple(name for name in settings.carried if name in columns),
            order=ordering_columns(settings),
            fingerprint=settings.fingerprint,
            covered=() if settings.fingerprint is None else tracked,
            partitioning=settings.partitioning,
            kind=EVENTS if settings.stamp is None else STATE,
        )

    @classmethod
    def from_properties(
        cls, properties: Mapping[str, str], adopted: TableProperties
    ) -> TableProperties:
        """Parse the properties; `adopted` supplies those that are missing."""

        def parsed(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
            return _names(json.loads(properties[name])) if name in properties else default

        fingerprint = json.loads(properties[FINGERPRINT]) if FINGERPRINT in properties else None
        column = fingerprint["column"] if fingerprint else None
        since = properties.get(OBSERVED_SINCE)
        # Dropped last: a column has both where a load broke off between the two.
        evolved = {
            column: EvolvedColumn.from_json(column, value, dropped=prefix == DROPPED)
            for prefix in (ADDED, DROPPED)
            for name, value in sorted(properties.items())
            if name.startswith(prefix)
            for column in [unescaped(name.removeprefix(prefix))]
        }
        return cls(
            tracked=parsed(TRACKED, adopted.tracked),
            carried=parsed(CARRIED, adopted.carried),
            order=parsed(ORDER, adopted.order),
            fingerprint=(column and unescaped(column)) if fingerprint else adopted.fingerprint,
            covered=_names(fingerprint["covers"]) if fingerprint else adopted.covered,
            partitioning=parsed(PARTITIONING, adopted.partitioning),
            evolved=tuple(evolved.values()),
            kind=properties.get(SOURCE_KIND, adopted.kind),
            observed_since=datetime.fromisoformat(since) if since else None,
        )

    @property
    def properties(self) -> dict[str, str]:
        """The table properties that `from_properties` parses."""
        lists = {
            TRACKED: self.tracked,
            CARRIED: self.carried,
            ORDER: self.order,
            PARTITIONING: self.partitioning,
        }
        properties = {
            name: json.dumps([escaped(each) for each in names]) for name, names in lists.items()
        }
        column = self.fingerprint and escaped(self.fingerprint)
        fingerprint = {"column": column, "covers": [escaped(each) for each in self.covered]}
        evolved = {
            (DROPPED if each.dropped else ADDED) + escaped(each.column): each.to_json
            for each in self.evolved
        }
        properties |= {FINGERPRINT: json.dumps(fingerprint), SOURCE_KIND: self.kind} | evolved
        if self.observed_since is not None:
            properties[OBSERVED_SINCE] = self.observed_since.isoformat(timespec="microseconds")
        return properties

    def with_evolved_columns(self, *columns: EvolvedColumn) -> TableProperties:
        """With these columns as evolved ones; they replace earlier entries of the same columns."""
        new = {each.column for each in columns}
        return replace(self, evolved=(*(e for e in self.evolved if e.column not in new), *columns))


def ordering_columns(settings: HistorySettings) -> tuple[str, ...]:
    """The columns that identify, order and date events."""
    return (*settings.key, settings.sequence, *settings.tie_breaker, *settings.dated_by)


def recorded_source_kind(spark: SparkSession, table: str) -> str | None:
    """The recorded kind of the table's source, 'state' or 'events'; None: not recorded yet."""
    return strandline_properties(spark, table).get(SOURCE_KIND)


def strandline_properties(spark: SparkSession, table: str) -> dict[str, str]:
    """The properties of the table that are Strandline's; read without a job.

    Raises:
        EnvironmentUnfitError: Spark's configuration hides one of them.
    """
    _, everything = current_and_properties(spark, table)
    properties = {name: text for name, text in everything.items() if name.startswith("strandline.")}
    hidden = sorted(name for name, value in properties.items() if HIDDEN in value)
    if hidden:
        raise EnvironmentUnfitError(
            where=table,
            expected="table properties that Spark shows",
            found=f"hidden: {', '.join(hidden)}",
            next_step="Narrow `spark.redaction.regex` and `spark.sql.redaction.options.regex`.",
        )
    return properties


def write_properties(
    spark: SparkSession, table: str, before: Mapping[str, str], after: TableProperties
) -> None:
    """Set the table's properties to `after`: first sets, then unsets, so none is ever missing."""
    wanted = after.properties
    changed = {name: value for name, value in wanted.items() if before.get(name) != value}
    evolved = (name for name in before if name.startswith((ADDED, DROPPED)))
    obsolete = [name for name in evolved if name not in wanted]
    if changed:
        pairs = ", ".join(
            f"{sql_string(name)} = {sql_string(value)}" for name, value in changed.items()
        )
        branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ({pairs})")
    if obsolete:
        names = ", ".join(sql_string(name) for name in obsolete)
        branches.alter(spark, f"ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ({names})")


def _names(written_names: Iterable[str]) -> tuple[str, ...]:
    return tuple(unescaped(each) for each in written_names)


def sql_string(value: str) -> str:
    """The text as a literal of Spark SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
