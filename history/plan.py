"""Which stored rows a batch concerns, and what it would change: reading, but no writing.

Keys whose new events are all newer than everything known of them need their open version only. Of
the others no version is read that ended before the earliest event that comes late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history import implied, knowing
from history.batch import Batch
from history.columns import (
    as_text,
    content,
    count_of,
    from_text,
    named,
    numbered,
    per,
    quoted,
    same,
    whole,
)
from history.events import CONTESTED, DELETE, UPSERT
from history.holding import held
from history.reach import Reach
from history.settings import HistorySettings
from history.table import Published, kept_events, read_as_now
from history.timeline import (
    ALONE,
    KEPT,
    MAIN,
    NEW,
    conflicting,
    crowded,
    decided,
    marked,
    planned,
    ranked,
    undisputed,
)

BROADCAST_LIMIT = 1_000_000
"""Keys up to this number are sent to every executor; more are shuffled with the table."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is published of a history, as a batch looks at it.

    Attributes:
        main: The versions.
        current: The open ones of them.
        kept: The kept events; None: there are none.
        extra: Columns of the versions beside those of events and intervals.
    """

    main: DataFrame
    current: DataFrame
    kept: DataFrame | None
    extra: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The new events and every stored row they have to be seen with, marked where alone.

    `crowded` says whether any instant has more than one of them.
    """

    rows: DataFrame
    crowded: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, held, with what was counted of it.

    `columns` are the event columns, `extra` the table's others but the dates, `reach` is where the
    keys lie, `settings` are those it was made with, learned columns included. `surplus` are stored
    rows of touched instants beyond one: a sound table has none.
    """

    rows: DataFrame
    counts: Mapping[str, int]
    columns: tuple[str, ...]
    extra: tuple[str, ...]
    reach: Reach
    settings: HistorySettings
    surplus: int = 0

    @property
    def opened(self) -> int:
        """Versions that are new rows with a surrogate key of their own."""
        return self.counts["action_add"] + self.counts["action_replace"]

    @property
    def removed(self) -> int:
        """Stored rows that the plan takes away, those it writes anew included."""
        names = ("action_update", "action_remove", "action_replace")
        return sum(self.counts[name] for name in names) + self.surplus

    @property
    def appended(self) -> int:
        """Rows that the plan writes."""
        return self.opened + self.counts["action_update"]

    @property
    def changes(self) -> int:
        """Changes of the versions and of the kept events."""
        return self.opened + self.removed + self.keeps

    @property
    def keeps(self) -> int:
        """Changes of the kept events."""
        return sum(self.counts[f"keep_{name}"] for name in ("add", "remove", "replace"))


def stored(
    spark: SparkSession,
    batch: Batch,
    state: Published,
    columns: tuple[str, ...],
    schema: T.StructType,
) -> Stored:
    """The published tables in the columns a plan is made of; nothing is read yet.

    Args:
        spark: The session to read with.
        batch: What is loaded.
        state: The published state to plan against.
        columns: The event columns.
        schema: Their types.

    Returns:
        Versions with the event columns, `__op`, `__origin` and `__main`: `valid_from`, `valid_to`,
        `is_current`, `rest` (the values of `settings.shown`, comparable) and `other`
        (`Stored.extra`, named r0, r1, ...). Kept events likewise, without `__main`.
    """
    settings = batch.settings
    main = read_as_now(spark, batch.table, state.snapshot_id, schema, settings)
    extra = tuple(name for name in main.columns if name not in {*columns, *settings.interval})
    kind = schema[settings.sequence].dataType
    told = F.struct(
        named(settings.valid_from).cast(kind).alias("valid_from"),
        named(settings.valid_to).cast(kind).alias("valid_to"),
        named(settings.is_current).alias("is_current"),
        content(settings.shown(columns), schema).alias("rest"),
        numbered(extra).alias("other"),
    )
    events = [named(name) for name in columns]
    origin, operation = F.lit(MAIN).alias("__origin"), F.lit(UPSERT).alias("__op")
    shape = (*events, operation, told.alias("__main"), origin)
    versions = main.select(*shape)
    current = main.where(named(settings.is_current)).select(*shape)
    kept = None
    if state.kept_snapshot is not None:
        table = kept_events(batch.table)
        kept = read_as_now(spark, table, state.kept_snapshot, schema, settings)
        kept = kept.select(*events, F.col("__op")).withColumn("__origin", F.lit(KEPT))
    return Stored(versions, current, kept, extra)


def gathered(
    events: DataFrame,
    known: Stored,
    state: Published,
    batch: Batch,
    reach: Reach,
    *,
    accepted: int,
) -> Line:
    """Lay the new events on one line with what is stored of their keys.

    Args:
        events: Accepted events, held: event columns and `__op`.
        known: What is published.
        state: The published state to plan against.
        batch: What is loaded.
        reach: Where the keys of the batch lie.
        accepted: How many events there are.
    """
    settings = batch.settings
    columns = tuple(name for name in events.columns if name != "__op")
    nothing = F.lit(None).cast(known.main.schema["__main"].dataType)
    new = events.withColumns({"__origin": F.lit(NEW), "__main": nothing})
    if state.is_empty:
        flags = {"__late": F.lit(False), "__behind": F.lit(False)}
        return laid(marked(new.withColumns(flags), settings))
    if state.has_read_after(batch.read):
        return _read_late(new, known, state, batch, reach, accepted=accepted)
    asked = held(_asked(events, settings), {"crowded": count_of(F.col("__crowded"))})
    keys = sent(asked.rows, accepted)
    met: dict[str, Column] = {
        "rows": F.count("*"),
        "met": count_of(F.col("__met") | knowing.unaware(settings, columns)),
    }
    current = held(_met(reach.of(known.current), keys, settings), met)
    stack = new.unionByName(current.rows.drop("__met"))
    remembered = 0
    if known.kept is not None:
        kept = held(_met(reach.of(known.kept), keys, settings), met)
        stack = stack.unionByName(kept.rows.drop("__met"), allowMissingColumns=True)
        remembered = kept.counts["rows"]
    if not (asked.counts["crowded"] or current.counts["met"] or remembered):
        # Every event has an instant to itself and is newer than all that is known of its key.
        alone = {"__late": F.lit(False), "__behind": F.lit(False), ALONE: F.lit(True)}
        return Line(stack.withColumns(alone), crowded=False)
    is_new = F.col("__origin") == NEW
    sequence, kind = named(settings.sequence), events.schema[settings.sequence].dataType
    line = held(
        marked(placed(stack, settings, columns), settings),
        {
            "crowded": count_of(~F.col(ALONE)),
            "late": count_of(F.col("__late") & is_new),
            "earliest": as_text(F.min(F.when(F.col("__behind"), sequence)), kind),
        },
    )
    if not line.counts["late"]:
        return Line(line.rows, crowded=line.counts["crowded"] > 0)
    behind = line.rows.where(F.col("__late"))
    late_keys = behind.select(*[named(name) for name in settings.key]).distinct()
    late_keys = sent(late_keys, int(line.counts["late"]))
    reached = reach.of(known.main)
    if settings.first_valid_from is None and not (settings.learned or settings.stamp):
        # Otherwise it has to be known whether a version is the first of its key, what any earlier
        # one says of a learned column, or when each of them began.
        end = F.col("__main")["valid_to"]
        earliest = from_text(line.counts["earliest"], kind)
        reached = reached.where(end.isNull() | (end >= earliest))
    every = held(of_keys(reached, late_keys, settings)).rows
    every = every.withColumns({"__late": F.lit(True), "__behind": F.lit(False)})
    timely = line.rows.where(~F.col("__late"))
    unread = behind.where(F.col("__origin") != MAIN).drop(ALONE)
    together = _within_reading(unread.unionByName(every), settings)
    return laid(marked(timely.drop(ALONE).unionByName(together), settings))


def _within_reading(rows: DataFrame, settings: HistorySettings) -> DataFrame:
    """Late keys' rows without the kept upserts that belong to versions which were not read.

    A kept upsert lies within a version, so one before the first version read is not needed. Deletes
    are: they tell that there was something before.
    """
    sequence = named(settings.sequence)
    read = F.col("__origin") == MAIN
    first = F.min(F.when(read, sequence)).over(whole(per(*settings.key)))
    before = (F.col("__origin") == KEPT) & (F.col("__op") == UPSERT)
    unread = before & F.coalesce(sequence < first, F.lit(True))
    return rows.withColumn("__unread", unread).where(~F.col("__unread")).drop("__unread")


def placed(rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """New events against what is known of their keys: which are repeats, which come late.

    Args:
        rows: New events, open versions and kept events of some keys.
        settings: How the table is kept.
        columns: The event columns.

    Returns:
        The rows with `__behind` (a new event at or before the newest known one) and `__late` (its
        key has such an event, or one that knows a column the open version does not), without
        exact repeats of known events and, for keys without late events, without the kept events
        that the open version leaves behind.
    """
    schema = rows.schema
    sequence, origin = named(settings.sequence), F.col("__origin")
    instant = whole(per(*settings.key, settings.sequence))
    everything = whole(per(*settings.key))
    told = [*settings.tie_breaker, *settings.compared(columns), *settings.overwritten(columns)]
    told = [*settings.plain(told), *settings.dated_by]
    seen = F.struct(F.col("__op").alias("op"), content(told, schema).alias("said"))
    # Where an event is kept, its version's row may show a later event's type-1 values.
    stands = (origin == KEPT) | ((origin == MAIN) & ~F.col("__kept_here"))
    is_new = origin == NEW
    newest_delete = F.max(F.when((origin == KEPT) & (F.col("__op") == DELETE), sequence))
    anchor = F.coalesce(
        F.max(F.when(origin == MAIN, sequence)).over(everything), newest_delete.over(everything)
    )
    whole_said = F.struct(seen.alias("seen"), F.col("__told").alias("told"))
    judged = (
        rows.withColumn("__told", knowing.told_of(settings, columns, schema))
        .withColumn("__kept_here", F.max(origin == KEPT).over(instant))
        .withColumns(
            {
                "__known": F.first(F.when(stands, whole_said), ignorenulls=True).over(instant),
                "__last": F.max(F.when(~is_new, sequence)).over(everything),
                "__anchor": anchor,
            }
        )
        .withColumn("__repeat", is_new & _repeats(seen, settings, columns))
        .withColumn(
            "__behind",
            F.coalesce(is_new & ~F.col("__repeat") & (sequence <= F.col("__last")), F.lit(False)),
        )
        .withColumn("__late", F.max("__behind").over(everything))
    )
    if settings.stamp is not None:
        judged = judged.withColumn("__late", F.col("__late") | _undated(everything, settings))
    if settings.learned:
        judged = _enlightened(judged, settings, columns)
    settled = (origin == KEPT) & (sequence < F.col("__anchor")) & ~F.col("__late")
    left = judged.where(~F.col("__repeat") & ~F.coalesce(settled, F.lit(False)))
    return left.drop("__kept_here", "__told", "__known", "__last", "__anchor", "__repeat")


def _undated(everything: WindowSpec, settings: HistorySettings) -> Column:
    """Whether the start of what a key's new event replaces is not that of an open version.

    It was closed when it was last seen, or begins after the read (a stamp ahead of the clock, from
    before the table was read like this).
    """
    is_new, origin = F.col("__origin") == NEW, F.col("__origin")
    news = F.max(is_new & ~F.col("__repeat")).over(everything)
    is_open = F.max(origin == MAIN).over(everything)
    was_there = F.max((origin == KEPT) & (F.col("__op") == DELETE)).over(everything)
    start = F.max(F.when(origin == MAIN, F.col("__main")["valid_from"])).over(everything)
    read_at = F.max(F.when(is_new, named(settings.sequence))).over(everything)
    ahead = F.coalesce(start >= read_at, F.lit(False))
    return F.coalesce(news & ((was_there & ~is_open) | ahead), F.lit(False))


def _read_late(
    new: DataFrame,
    known: Stored,
    state: Published,
    batch: Batch,
    reach: Reach,
    *,
    accepted: int,
) -> Line:
    """The line of a read that is loaded after a later one: all that is known of its keys.

    With what the later reads saw of them without writing it down (`history.implied`).
    """
    settings = batch.settings
    keys = sent(new.select(*[named(name) for name in settings.key]).distinct(), accepted)
    stack = new.unionByName(of_keys(reach.of(known.main), keys, settings))
    if known.kept is not None:
        kept = of_keys(reach.of(known.kept), keys, settings)
        stack = stack.unionByName(kept, allowMissingColumns=True)
    seen = implied.seen_again(stack, settings, state.reads)
    flags = {"__late": F.lit(True), "__behind": F.col("__origin") == NEW}
    return laid(marked(seen.withColumns(flags), settings))


def _repeats(seen: Column, settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    known = F.col("__known")
    same = seen.eqNullSafe(known["seen"])
    return same & knowing.repeating(known["told"], settings, columns) if settings.learned else same


def _enlightened(rows: DataFrame, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """The rows, `__late` also where a new event knows a column that the open version does not.

    What was known of the column may then stand in an earlier version.
    """
    is_new, everything = F.col("__origin") == NEW, whole(per(*settings.key))
    compared, late = settings.compared(columns), F.col("__late")
    for each in settings.partly_known(columns):
        if each.column in compared:
            open_lacks = (F.col("__origin") == MAIN) & each.unknown(named(settings.sequence))
            learns = is_new & ~F.col("__repeat") & knowing.knows(each, settings)
            late = late | (F.max(open_lacks).over(everything) & F.max(learns).over(everything))
    return rows.withColumn("__late", late)


def instants(line: Line, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """The plan of a line: one row an instant with its actions (`timeline.planned`)."""
    winners = undisputed(line.rows, columns)
    if line.crowded:
        contests = ranked(crowded(line.rows), settings, columns)
        winners = winners.unionByName(decided(contests, settings, columns))
    return planned(winners, settings, columns)


def contested(line: Line, settings: HistorySettings, columns: tuple[str, ...]) -> DataFrame:
    """Of a line's events, those that have to be refused: nothing decides between them."""
    return conflicting(ranked(crowded(line.rows), settings, columns))


def counted(settings: HistorySettings) -> Mapping[str, Column]:
    """What is counted of a plan while it is made."""
    action, keep, new = F.col("__action"), F.col("__keep"), F.col("__new") > 0
    main = F.col("__main")
    touched = action.isin("update", "remove", "replace")
    still_open = named(settings.is_current) & action.isin("update", "replace")
    counts = {f"action_{name}": action == name for name in ("add", "update", "remove", "replace")}
    counts |= {f"keep_{name}": keep == name for name in ("add", "remove", "replace")}
    counts |= {
        "closed": main["is_current"] & action.isNotNull() & ~still_open,
        "touched_closed": touched & ~main["is_current"],
        "deleted": new & (F.col("__op") == DELETE),
        "unchanged": new & F.col("__unchanged"),
        "late": new & F.col("__behind"),
        "withdrawn": (action == "remove") & (F.col("__op") == CONTESTED),
    }
    sums = {"events": "__new", "conflicting": "__refused", "superseded": "__superseded"}
    return {name: count_of(each) for name, each in counts.items()} | {
        name: F.coalesce(F.sum(column), F.lit(0)) for name, column in sums.items()
    }


def laid(marks: DataFrame) -> Line:
    """Marked rows, held, as a line."""
    line = held(marks, {"crowded": count_of(~F.col(ALONE))})
    return Line(line.rows, crowded=line.counts["crowded"] > 0)


def sent(keys: DataFrame, count: int) -> DataFrame:
    """The keys, sent to every executor where there are not too many."""
    return F.broadcast(keys) if count <= BROADCAST_LIMIT else keys


def _asked(events: DataFrame, settings: HistorySettings) -> DataFrame:
    """The keys of a batch, each with its `__first` instant and whether events share any."""
    sequence = named(settings.sequence)
    shared = F.count("*") > F.size(F.collect_set(sequence))
    return events.groupBy(*[named(name) for name in settings.key]).agg(
        F.min(sequence).alias("__first"), shared.alias("__crowded")
    )


def of_keys(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    """The rows whose key is one of the keys."""
    return frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "left_semi")


def _met(frame: DataFrame, keys: DataFrame, settings: HistorySettings) -> DataFrame:
    """Stored rows of the keys, with `__met`: an event of the batch is not newer than the row."""
    both = frame.alias("f").join(keys.alias("k"), same("f", "k", settings.key), "inner")
    met = F.col(f"f.{quoted(settings.sequence)}") >= F.col("k.__first")
    if settings.stamp is not None and "__main" in frame.columns:
        met = met | (F.col("f.__main")["valid_from"] >= F.col("k.__first"))
    return both.select("f.*", met.alias("__met"))
