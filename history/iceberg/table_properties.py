"""What a history table says of itself in its properties: how it is kept, and since when.

The settings of a load are compared with it, so that a change of them is decided and not slipped in.
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
from history.model.added_and_dropped_columns import EvolvedColumn
from history.model.history_settings import HistorySettings

TRACKED = "strandline.tracked"
CARRIED = "strandline.carried"
ORDER = "strandline.order"
FINGERPRINT = "strandline.fingerprint"
PARTITIONING = "strandline.partitioning"
SOURCE_KIND = "strandline.source-kind"
OBSERVED_SINCE = "strandline.observed-since"
STATE, EVENTS = "state", "events"
ADDED = "strandline.added."
DROPPED = "strandline.dropped."


@dataclass(frozen=True, slots=True)
class TableProperties:
    """How a table is kept.

    Attributes:
        tracked: Columns whose change opens a version, dropped ones included.
        carried: Columns that a version keeps of the event that opened it, dropped ones included.
        order: Key, sequence, tie-breaker and first start.
        fingerprint: The column that is compared in the place of `covered`; None for none.
        covered: The columns that the fingerprint is made of.
        partitioning: The terms that the settings named last.
        learned: Columns that not every event knows.
        kind: 'state' where the source is read as it is now, 'events' where it is a log of changes.
        observed_since: An instant before the first read of a table that was loaded before it was
            read as it is now.
    """

    tracked: tuple[str, ...]
    carried: tuple[str, ...]
    order: tuple[str, ...]
    fingerprint: str | None
    covered: tuple[str, ...]
    partitioning: tuple[str, ...]
    learned: tuple[EvolvedColumn, ...] = ()
    kind: str = EVENTS
    observed_since: datetime | None = None

    @classmethod
    def from_settings(cls, settings: HistorySettings, columns: Iterable[str]) -> TableProperties:
        """As the settings say it of a table with these event columns."""
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
        """As the properties say it; what they do not say is `adopted`."""

        def names(name: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
            return _names(json.loads(properties[name])) if name in properties else otherwise

        print_of = json.loads(properties[FINGERPRINT]) if FINGERPRINT in properties else None
        column = print_of["column"] if print_of else None
        since = properties.get(OBSERVED_SINCE)
        # Dropped last: of a column that says both, a load broke off between the two.
        learned = {
            column: EvolvedColumn.from_json(column, text, dropped=prefix == DROPPED)
            for prefix in (ADDED, DROPPED)
            for name, text in sorted(properties.items())
            if name.startswith(prefix)
            for column in [unescaped(name.removeprefix(prefix))]
        }
        return cls(
            tracked=names(TRACKED, adopted.tracked),
            carried=names(CARRIED, adopted.carried),
            order=names(ORDER, adopted.order),
            fingerprint=(column and unescaped(column)) if print_of else adopted.fingerprint,
            covered=_names(print_of["covers"]) if print_of else adopted.covered,
            partitioning=names(PARTITIONING, adopted.partitioning),
            learned=tuple(learned.values()),
            kind=properties.get(SOURCE_KIND, adopted.kind),
            observed_since=datetime.fromisoformat(since) if since else None,
        )

    @property
    def properties(self) -> dict[str, str]:
        """All of it as table properties."""
        lists = {
            TRACKED: self.tracked,
            CARRIED: self.carried,
            ORDER: self.order,
            PARTITIONING: self.partitioning,
        }
        told = {
            name: json.dumps([escaped(each) for each in names]) for name, names in lists.items()
        }
        column = self.fingerprint and escaped(self.fingerprint)
        covers = {"column": column, "covers": [escaped(each) for each in self.covered]}
        marks = {
            (DROPPED if each.dropped else ADDED) + escaped(each.column): each.to_json
            for each in self.learned
        }
        told |= {FINGERPRINT: json.dumps(covers), SOURCE_KIND: self.kind} | marks
        if self.observed_since is not None:
            told[OBSERVED_SINCE] = self.observed_since.isoformat(timespec="microseconds")
        return told

    def with_evolved_columns(self, *more: EvolvedColumn) -> TableProperties:
        """With these columns learned, in place of what was said of them before."""
        new = {each.column for each in more}
        return replace(self, learned=(*(e for e in self.learned if e.column not in new), *more))


def ordering_columns(settings: HistorySettings) -> tuple[str, ...]:
    """The columns that say which event is whose, and when."""
    return (*settings.key, settings.sequence, *settings.tie_breaker, *settings.dated_by)


def recorded_source_kind(spark: SparkSession, table: str) -> str | None:
    """What the table says its source is, 'state' or 'events'; None: nothing yet."""
    return strandline_properties(spark, table).get(SOURCE_KIND)


def strandline_properties(spark: SparkSession, table: str) -> dict[str, str]:
    """The properties of the table that are Strandline's; asked without a job.

    Raises:
        EnvironmentUnfitError: Spark is set to hide one of them.
    """
    rows = spark.sql(f"SHOW TBLPROPERTIES {table}").collect()
    told = {row.key: row.value for row in rows if row.key.startswith("strandline.")}
    hidden = sorted(name for name, text in told.items() if HIDDEN in text)
    if hidden:
        raise EnvironmentUnfitError(
            where=table,
            expected="table properties that Spark shows",
            found=f"hidden: {', '.join(hidden)}",
            next_step="Narrow `spark.redaction.regex` and `spark.sql.redaction.options.regex`.",
        )
    return told


def write_properties(
    spark: SparkSession, table: str, before: Mapping[str, str], after: TableProperties
) -> None:
    """Make the table's properties those of `after`: new ones first, so none is ever missing."""
    told = after.properties
    changed = {name: text for name, text in told.items() if before.get(name) != text}
    gone = [name for name in before if name.startswith((ADDED, DROPPED)) and name not in told]
    if changed:
        pairs = ", ".join(f"{_text(name)} = {_text(text)}" for name, text in changed.items())
        branches.alter(spark, f"ALTER TABLE {table} SET TBLPROPERTIES ({pairs})")
    if gone:
        names = ", ".join(_text(name) for name in gone)
        branches.alter(spark, f"ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ({names})")


def _names(written_names: Iterable[str]) -> tuple[str, ...]:
    return tuple(unescaped(each) for each in written_names)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
