"""From the stored and the new events of some keys to what has to change; pure functions.

The events of a key form one timeline. At each instant one event counts: the one with the greatest
tie-breaker; equal ones are one; differing ones that no tie-breaker decides between contest the
instant and none of them counts. An upsert that differs from the event before it opens a version,
which ends where the next version or a delete begins. Nothing here depends on when an event arrived.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.planning import valid_from, values_of_added_columns
from history.planning.event_neighbours import Neighbours
from history.planning.event_validation import CONTESTED, DELETE, UPSERT
from history.spark.column_quoting_and_comparison import content, named, numbered, per, whole

NEW, KEPT, MAIN = 0, 1, 2
"""`__origin` of a row: of this batch, a kept event, a version of the table."""

ALONE = "__unique_instant"
UNFORESEEN = "__unforeseen"
"""The column of rows that are not as a plan of one step supposes."""

_PLAN_COLUMNS = (
    "__op",
    "__effective_from",
    "__boundary",
    "__deletes_nothing",
    "__version",
    "__arrives_late",
    "__new",
    "__superseded",
    "__refused",
    "__current_values",
    "__unchanged",
)


def mark_unique_instants(events: DataFrame, settings: HistorySettings) -> DataFrame:
    """The events with `__unique_instant`: no other event of their key has their instant.

    That holds of almost all events, and such an event wins its instant unranked. Comparing
    neighbours on the timeline of a key costs far less than ranking events at every instant.
    """
    sequence = named(settings.sequence)
    timeline = per(*settings.key).orderBy(sequence)
    previous, following = F.lag(sequence).over(timeline), F.lead(sequence).over(timeline)
    shared = previous.eqNullSafe(sequence) | following.eqNullSafe(sequence)
    return events.withColumn(ALONE, ~shared)


def with_shared_instant(events: DataFrame) -> DataFrame:
    """Of marked events, those that share their instant."""
    return events.where(~F.col(ALONE)).drop(ALONE)


def rank_candidates(
    events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """Rank the events of each instant: the first one wins it, unless it is contested.

    Args:
        events: Rows of the event columns, `__op`, `__origin`, `__key_has_late` (their key has
            events that arrive after newer ones), `__arrives_late` (this is one) and `__version`:
            what is stored of a version besides its event (`stored_versions`), null for other rows.
        settings: How the table is kept.
        columns: The event columns.

    Returns:
        The rows with `__rank`, `__tied` (has the tie-breaker of the first), `__same` (equals the
        first) and `__contested` (no tie-breaker decides between the tied ones).
    """
    schema = events.schema
    upsert = F.col("__op") == UPSERT
    tracked = settings.plain(settings.compared(columns))
    event = F.struct(
        F.col("__op").alias("op"),
        F.when(upsert, content(tracked, schema)).alias("tracked"),
        F.when(upsert, content(_overwritten_columns(settings, columns), schema)).alias("rest"),
        F.when(upsert, content(settings.dated_by, schema)).alias("first"),
    )
    instant = per(*settings.key, settings.sequence)
    whole_instant = whole(instant)
    # A contested mark outranks the events that contest; stored rows outrank equal new ones, and a
    # kept event its version's row, whose type-1 values may already be a later event's.
    rank = instant.orderBy(
        *[named(name).desc_nulls_last() for name in settings.tie_breaker],
        (F.col("__op") == CONTESTED).desc(),
        F.when(F.col("__origin") == KEPT, 0).when(F.col("__origin") == MAIN, 1).otherwise(2),
    )
    shadowed = (F.col("__origin") == MAIN) & F.col("__kept")
    ranked = (
        events.withColumns({"__content": event, "__ties": content(settings.tie_breaker, schema)})
        .withColumn("__kept", F.max(F.col("__origin") == KEPT).over(whole_instant))
        .withColumn("__rank", F.row_number().over(rank))
        .withColumn("__top", F.first(F.struct("__content", "__ties")).over(whole(rank)))
        .withColumn("__tied", F.col("__ties").eqNullSafe(F.col("__top")["__ties"]) & ~shadowed)
        .withColumn("__same", F.col("__content").eqNullSafe(F.col("__top")["__content"]))
    )
    ranked = values_of_added_columns.mark_agreement(ranked, settings, columns, whole(rank))
    contest = F.max(F.col("__tied") & ~F.col("__same")).over(whole_instant)
    return ranked.withColumn("__contest", contest).withColumn(
        "__contested",
        F.col("__contest") | (F.col("__top")["__content"]["op"] == CONTESTED),
    )


def undecided_candidates(events: DataFrame) -> DataFrame:
    """Of ranked events, those that are refused: the tied ones of contested instants."""
    claims = F.col("__tied") & (F.col("__op") != CONTESTED)
    return events.where(F.col("__contested") & claims)


def only_candidates(events: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Of marked events, those with a unique instant, in the shape of `winning_candidates`."""
    return as_candidates(events.where(F.col(ALONE)), columns)


def as_candidates(events: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Events with instants of their own, in the shape of `winning_candidates`."""
    is_new = F.col("__origin") == NEW
    zero = F.lit(0)
    return events.select(
        *[named(name) for name in columns],
        F.col("__op"),
        F.col("__version"),
        F.col("__key_has_late"),
        F.col("__arrives_late"),
        (F.col("__origin") == KEPT).alias("__kept"),
        F.lit(False).alias("__replaced"),
        F.lit(False).alias("__filled"),
        zero.cast("bigint").alias("__refused"),
        is_new.cast("int").alias("__new"),
        zero.cast("bigint").alias("__superseded"),
    )


def winning_candidates(
    events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """One row an instant: the event that counts at it, from ranked events.

    Returns:
        The winner's row, its `__op` being 'contested' where none can win, with `__version` of the
        instant's version if there is one, `__kept` (the instant has a kept event), `__replaced`
        (a stored row lost the instant), `__filled` (its row has values of evolved columns that
        were known in an equal event only) and the counts `__new`, `__superseded`, `__refused` of
        new events.
    """
    whole_instant = whole(per(*settings.key, settings.sequence))
    is_new = F.col("__origin") == NEW
    agrees = F.col("__tied") & F.col("__same") & ~F.col("__contested")
    winners = events.withColumns(
        {
            "__version": F.first("__version", ignorenulls=True).over(whole_instant),
            "__arrives_late": F.max("__arrives_late").over(whole_instant),
            "__stored": F.max(~is_new & agrees).over(whole_instant),
            "__had": F.max(~is_new & (F.col("__op") != CONTESTED)).over(whole_instant),
            "__claims": F.sum((is_new & F.col("__tied")).cast("int")).over(whole_instant),
            "__superseded": F.sum((is_new & ~F.col("__tied")).cast("int")).over(whole_instant),
        }
    ).where(F.col("__rank") == 1)
    contested, claims = F.col("__contested"), F.col("__claims")
    values, filled = values_of_added_columns.merge_known_values(
        settings, columns, contested=contested
    )
    new = F.when(contested | (F.col("__stored") & ~filled) | (claims == 0), 0).otherwise(1)
    return winners.select(
        *[values.get(name, named(name)).alias(name) for name in columns],
        F.when(contested, F.lit(CONTESTED)).otherwise(F.col("__op")).alias("__op"),
        F.col("__version"),
        F.col("__key_has_late"),
        F.col("__arrives_late"),
        F.col("__kept"),
        # A contested mark replaces nothing if it is confirmed, and does if it is overruled.
        (
            (F.col("__had") & ~F.col("__stored"))
            | (F.col("__kept") & ~contested & ~F.col("__stored"))
        ).alias("__replaced"),
        filled.alias("__filled"),
        F.when(contested, claims).otherwise(0).alias("__refused"),
        new.alias("__new"),
        F.col("__superseded"),
    )


def plan_versions(
    instants: DataFrame,
    settings: HistorySettings,
    columns: tuple[str, ...],
    *,
    all_decided: bool = False,
    alone: bool = False,
) -> DataFrame:
    """What each instant becomes in the history, and which actions on the tables that takes.

    Args:
        instants: The events that count, one for each instant (`winning_candidates`).
        settings: How the table is kept.
        columns: The event columns.
        all_decided: No instant is contested, so that a key has one timeline. Then `UNFORESEEN`
            is among the columns: the row before has the same instant, so the rows are none of
            `winning_candidates`.
        alone: Besides, each key has one event, and no column was added to the table. Then
            `UNFORESEEN` says that the key has an event before.

    Returns:
        Of `winning_candidates` the event columns, `__op`, `__version`, `__arrives_late` and the
        counts, and besides `valid_from`, `valid_to`, `is_current` under the settings' names,
        `__effective_from` (since when the event's change holds; of one that changes nothing, its
        sequence), `__boundary` (it opens or ends a version), `__deletes_nothing` (a delete without
        an open version), `__current_values` (the type-1 values the version shows), `__unchanged`,
        and the actions: `__version_action` on the history table ('add', 'update', 'remove',
        'replace') and `__kept_event_action` on the kept events ('add', 'remove', 'replace'), null
        for nothing.
    """
    schema = instants.schema
    sequence = named(settings.sequence)
    along = Neighbours.along(settings, all_decided=all_decided)
    around = Neighbours() if alone else along
    upsert = F.col("__op") == UPSERT
    tracked = settings.plain(settings.compared(columns))
    plan = (
        instants.withColumn("__is_decided", F.col("__op") != CONTESTED)
        .withColumn("__tracked", F.when(upsert, content(tracked, schema)))
        .withColumns(
            {
                "__previous_operation": around.previous(F.col("__op")),
                "__was": around.previous(F.col("__tracked")),
                **({UNFORESEEN: _unforeseen(sequence, along, alone)} if all_decided else {}),
            }
        )
    )
    if around.timeline is not None:
        plan = values_of_added_columns.add_last_known_values(
            plan, settings, columns, around.timeline
        )
    differs = F.col("__previous_operation").isNull() | (F.col("__previous_operation") == DELETE)
    differs = differs | ~F.col("__tracked").eqNullSafe(F.col("__was"))
    if settings.evolved:
        differs = differs | values_of_added_columns.known_value_changed(plan, settings, columns)
    opens = F.col("__is_decided") & upsert & differs
    boundary = opens | (F.col("__op") == DELETE)
    plan = (
        plan.withColumn("__opens_version", opens)
        .withColumn("__boundary", boundary)
        .withColumn(
            "__deletes_nothing",
            ~F.col("__previous_operation").eqNullSafe(UPSERT) & (F.col("__op") == DELETE),
        )
        .withColumn("__version_group", around.sum_so_far(F.col("__boundary").cast("int")))
    )
    if settings.stamp is None:
        plan = plan.withColumn("__effective_from", sequence)
    else:
        plan = valid_from.add_effective_from(plan, settings, schema, timeline=around.timeline)
    # A version ends at the next boundary; an event between boundaries has no end of its own.
    starts = F.when(F.col("__boundary"), F.col("__effective_from"))
    plan = plan.withColumn("__starts", starts).withColumn(
        "__effective_to", F.when(F.col("__boundary"), around.next_known("__starts"))
    )
    plan = plan.withColumns(_current_values(settings, columns, schema, around))
    repeats = _repeats_previous(plan, settings, columns, around)
    plan = plan.withColumn("__repeats_previous", repeats)
    current = F.col("__effective_to").isNull()
    plan = plan.withColumns(
        {
            settings.valid_from: _valid_from(settings),
            settings.valid_to: F.when(current, _open_end(settings, schema)).otherwise(
                F.col("__effective_to")
            ),
            settings.is_current: current,
            "__unchanged": F.col("__is_decided") & upsert & ~F.col("__opens_version"),
            # Observed again unchanged: the read records it, and no row has to.
            "__new": F.when(_is_unchanged_observation(settings), F.lit(0)).otherwise(
                F.col("__new")
            ),
        }
    )
    # The rows are checkpointed as returned, so intermediate columns are dropped here.
    return plan.select(
        *[named(name) for name in (*columns, *settings.interval)],
        *[F.col(name) for name in _PLAN_COLUMNS],
        *([F.col(UNFORESEEN)] if all_decided else []),
        _version_action(settings, columns).alias("__version_action"),
        _kept_event_action(settings, columns, schema).alias("__kept_event_action"),
    )


def _unforeseen(sequence: Column, along: Neighbours, alone: bool) -> Column:
    before = along.previous(sequence)
    return before.isNotNull() if alone else before.eqNullSafe(sequence)


def _repeats_previous(
    plan: DataFrame, settings: HistorySettings, columns: tuple[str, ...], around: Neighbours
) -> Column:
    """Whether an event adds nothing to the one before it, in columns that open no version."""
    if settings.remember_unchanged and settings.stamp is None:
        return F.lit(False)
    schema = plan.schema
    names = _overwritten_columns(settings, columns)
    if settings.stamp is not None:
        names = (*names, *settings.dated_by)
    values = content(names, schema)
    repeats = values.eqNullSafe(around.previous(values))
    return repeats & ~values_of_added_columns.adds_known_value(plan, settings, columns)


def _is_unchanged_observation(settings: HistorySettings) -> Column:
    """Whether an observation equals its key's last one, and is not stored."""
    if settings.stamp is None:
        return F.lit(False)
    is_stored = F.col("__kept") | F.col("__version").isNotNull()
    again = (
        ~F.col("__opens_version")
        & (F.col("__op") == F.col("__previous_operation"))
        & F.col("__repeats_previous")
    )
    return F.col("__is_decided") & ~is_stored & F.coalesce(again, F.lit(False))


def first_valid_from(at: Column, settings: HistorySettings) -> Column:
    """The start of a key's first version: what dates it, if that lies before the change."""
    if settings.first_valid_from is None:
        return at
    return F.coalesce(F.least(named(settings.first_valid_from), at), at)


def current_values(settings: HistorySettings, columns: tuple[str, ...]) -> dict[str, Column]:
    """Of a plan: by column, what a version shows where that may be a later event's value."""
    return {
        name: F.col("__current_values")[f"r{position}"]
        for position, name in enumerate(settings.shown(columns))
    }


def _overwritten_columns(settings: HistorySettings, columns: tuple[str, ...]) -> tuple[str, ...]:
    return settings.plain(settings.overwritten(columns))


def _current_values(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType, around: Neighbours
) -> dict[str, Column]:
    """The values that a version shows of its events (`__current_values`), and comparable ones."""
    if settings.evolved and around.version is not None:
        values, comparable = values_of_added_columns.current_known_values(
            settings, columns, schema, around.version
        )
        return {"__current_values": values, "__current_content": comparable}
    overwritten = settings.overwritten(columns)
    if not overwritten:
        return {"__current_values": F.lit(None), "__current_content": F.lit(None)}
    values, comparable = numbered(overwritten), content(overwritten, schema)
    return {
        "__current_values": around.last_of_version(values),
        "__current_content": around.last_of_version(comparable),
    }


def _open_end(settings: HistorySettings, schema: T.StructType) -> Column:
    end = F.lit(settings.open_end) if settings.open_end is not None else F.lit(None)
    return end.cast(schema[settings.sequence].dataType)


def _valid_from(settings: HistorySettings) -> Column:
    """The version's start. Stored versions of keys without late events keep theirs: the events
    before them were not read.
    """
    start = F.col("__effective_from")
    if settings.first_valid_from is not None and settings.stamp is None:
        start = F.when(
            F.col("__previous_operation").isNull(), first_valid_from(start, settings)
        ).otherwise(start)
    keeps = F.col("__version").isNotNull() & ~F.col("__key_has_late")
    return F.when(keeps, F.col("__version")["valid_from"]).otherwise(start)


def _version_action(settings: HistorySettings, columns: tuple[str, ...]) -> Column:
    main = F.col("__version")
    same = (
        main["valid_from"].eqNullSafe(named(settings.valid_from))
        & main["valid_to"].eqNullSafe(named(settings.valid_to))
        & main["is_current"].eqNullSafe(named(settings.is_current))
    )
    if settings.shown(columns):
        same = same & main["rest"].eqNullSafe(F.col("__current_content"))
    return (
        F.when(~F.col("__opens_version"), F.when(main.isNotNull(), F.lit("remove")))
        .when(main.isNull(), F.lit("add"))
        .when(F.col("__replaced"), F.lit("replace"))
        .when(~same, F.lit("update"))
    )


def _kept_event_action(
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType
) -> Column:
    """Deletes, contested instants and (if remembered) equal events are kept, and the event of a
    version that shows a later event's type-1 values.
    """
    hidden = ~F.col("__opens_version")
    if settings.stamp is not None:
        hidden = hidden & ~_is_unchanged_observation(settings)
    if not settings.remember_unchanged:
        # One that changes type-1 values is kept: the version shows them from then on. And one that
        # won its instant over others is: read again without it, they would win.
        won = F.col("__kept") | (F.col("__superseded") > 0)
        hidden = hidden & ~(F.col("__unchanged") & F.col("__repeats_previous") & ~won)
    if settings.shown(columns):
        own = content(settings.shown(columns), schema)
        shows_other = ~own.eqNullSafe(F.col("__current_content"))
        hidden = hidden | (F.col("__opens_version") & shows_other)
    keep = (
        F.when(F.col("__kept") & F.col("__replaced") & hidden, F.lit("replace"))
        .when(F.col("__kept") & F.col("__replaced"), F.lit("remove"))
        .when(hidden & ~F.col("__kept"), F.lit("add"))
    )
    if not settings.evolved:
        return keep
    # A kept event that gains known values is written anew with them, or shown by its version.
    filled = F.when(hidden, F.lit("replace")).otherwise(F.lit("remove"))
    return F.when(F.col("__kept") & F.col("__filled"), filled).otherwise(keep)
