"""What a history has of the keys of one batch: the batch's own rows, and the others.

Reading, but no writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.iceberg.current_snapshot import CurrentState
from history.model.change_batch import Batch
from history.planning import key_range_pruning
from history.planning.event_validation import CONTESTED, DELETE
from history.planning.key_range_pruning import KeyRange
from history.planning.versions_of_batch_keys import (
    StoredVersions,
    broadcast_if_small,
    rows_of_keys,
    stored_versions,
)
from history.restatement.events_of_batch import EventsOfBatch, contesting_events
from history.restatement.rebuild_from_events import with_key_and_sequence
from history.restatement.repair_broken_versions import one_row_per_version
from history.spark.checkpoint import checkpoint
from history.spark.column_quoting_and_comparison import count_of, named, same

_LEAVES = "__leaves"


@dataclass(frozen=True, slots=True)
class KeysOfBatch:
    """What the table has of the keys of a batch's events.

    Attributes:
        stored: All versions and kept events.
        rows: The stored rows of the keys, marked as those that leave or stay.
        instants: Key and sequence of the batch's events, and of those that it had contested.
        contesting: The refused events (`contesting_events`); None: there are none.
        key_range: The range of the keys.
        counts: `instants`, `keys`, `events` that leave, and the `deletes` among them.
    """

    stored: StoredVersions
    rows: DataFrame
    instants: DataFrame
    contesting: DataFrame | None
    key_range: KeyRange
    counts: Mapping[str, int]

    @classmethod
    def of(
        cls,
        spark: SparkSession,
        batch: Batch,
        own: EventsOfBatch,
        state: CurrentState,
        schema: T.StructType,
    ) -> KeysOfBatch:
        """Read them; the rows are checkpointed. `schema` has the event columns."""
        settings, columns = batch.settings, tuple(schema.fieldNames())
        stored = stored_versions(spark, batch, state, columns, schema)
        stored = replace(stored, main=with_key_and_sequence(stored.main, settings))
        contesting = contesting_events(spark, batch, own, schema)
        at = [named(name) for name in (*settings.key, settings.sequence)]
        theirs = stored.main.where(own.include(settings)).select(*at)
        if stored.kept is not None:
            theirs = theirs.unionByName(stored.kept.where(own.include(settings)).select(*at))
        if contesting is not None:
            contesting = checkpoint(contesting).rows
            theirs = theirs.unionByName(contesting.where("__own").select(*at))
        bounds = key_range_pruning.key_bounds(settings, schema, F.lit(True))
        instants = checkpoint(theirs.distinct(), {"instants": F.count(F.lit(1)), **bounds})
        key_range = key_range_pruning.key_range(settings, instants.counts)
        count = int(instants.counts["instants"])
        keys = checkpoint(instants.rows.select(*at[:-1]).distinct(), {"keys": F.count(F.lit(1))})
        chosen = broadcast_if_small(keys.rows, count)

        def of_keys(frame: DataFrame) -> DataFrame:
            return rows_of_keys(key_range.filter(frame), chosen, settings)

        rows = one_row_per_version(of_keys(stored.main), settings, columns)
        if stored.kept is not None:
            rows = rows.unionByName(of_keys(stored.kept), allowMissingColumns=True)
        marks = broadcast_if_small(instants.rows.withColumn("__marked", F.lit(True)), count)
        at_instant = same("f", "k", (*settings.key, settings.sequence))
        rows = (
            rows.alias("f")
            .join(marks.alias("k"), at_instant, "left")
            .select("f.*", F.col("k.__marked").isNotNull().alias("__marked"))
        )
        contested = (F.col("__op") == CONTESTED) & F.col("__marked")
        rows = rows.withColumn(_LEAVES, own.include(settings) | contested).drop("__marked")
        computed = checkpoint(rows)
        leaving = computed.rows.where(_LEAVES).where(F.col("__op") != CONTESTED)
        told = leaving.groupBy(*at).agg(F.max(F.col("__op") == DELETE).alias("__deletes"))
        events = told.agg(
            F.count(F.lit(1)).alias("events"), count_of(F.col("__deletes")).alias("deletes")
        ).collect()[0]
        counts = {
            "instants": count,
            "keys": int(keys.counts["keys"]),
            "events": int(events.events),
            "deletes": int(events.deletes),
        }
        return cls(stored, computed.rows, instants.rows, contesting, key_range, counts)

    @property
    def leaving(self) -> DataFrame:
        """The stored rows of the batch's events, and the marks of instants that it contested."""
        return self.rows.where(_LEAVES).drop(_LEAVES)

    @property
    def staying(self) -> DataFrame:
        """The other stored rows of the keys."""
        return self.rows.where(~F.col(_LEAVES)).drop(_LEAVES)
