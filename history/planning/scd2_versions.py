"""The pure heart: from the known and the new events of some keys to what has to change.

Events of a key are laid on one line. At each instant one event counts: the one with the greatest
tie-breaker; equal ones are one; differing ones that nothing decides between contest the instant
and none of them counts. An upsert that differs from the event before it opens a version, which
ends where the next version or a delete begins. Nothing here depends on when an event arrived.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.model.history_settings import HistorySettings
from history.planning import valid_from, values_of_added_columns
from history.planning.event_validation import CONTESTED, DELETE, UPSERT
from history.spark.column_quoting_and_comparison import content, named, numbered, per, whole

NEW, KEPT, MAIN = 0, 1, 2
"""`__origin` of a row: of this batch, a kept event, a version of the table."""


ALONE = "__unique_instant"

_CARRIED = (
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

    Almost all are, and an event that is alone has its instant without a contest. Looking at
    neighbours on the line of a key costs far less than a contest at every instant.
    """
    sequence = named(settings.sequence)
    line = per(*settings.key).orderBy(sequence)
    shared = F.lag(sequence).over(line).eqNullSafe(sequence) | F.lead(sequence).over(
        line
    ).eqNullSafe(sequence)
    return events.withColumn(ALONE, ~shared)


def with_shared_instant(events: DataFrame) -> DataFrame:
    """Of marked events, those that share their instant."""
    return events.where(~F.col(ALONE)).drop(ALONE)


def rank_candidates(
    events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """The events of each instant in the order in which they may claim it.

    Args:
        events: Rows of the event columns, `__op`, `__origin`, `__key_has_late` (their key has
            events that arrive after newer ones), `__arrives_late` (this is one) and `__version`:
            what is stored of a version beside its event (`stored_versions`), null for other rows.
        settings: How the table is kept.
        columns: The event columns.

    Returns:
        The rows with `__rank`, `__tied` (as strong as the first), `__same` (says what the first
        says) and `__contested` (nothing decides between the strongest).
    """
    schema = events.schema
    upsert = F.col("__op") == UPSERT
    tracked = settings.plain(settings.compared(columns))
    said = F.struct(
        F.col("__op").alias("op"),
        F.when(upsert, content(tracked, schema)).alias("tracked"),
        F.when(upsert, content(_overwritten_columns(settings, columns), schema)).alias("rest"),
        F.when(upsert, content(settings.dated_by, schema)).alias("first"),
    )
    instant = per(*settings.key, settings.sequence)
    everyone = whole(instant)
    # A contested mark outranks the events it condemns; stored rows outrank equal new ones, and a
    # kept event its version's row, whose type-1 values may already be a later event's.
    rank = instant.orderBy(
        *[named(name).desc_nulls_last() for name in settings.tie_breaker],
        (F.col("__op") == CONTESTED).desc(),
        F.when(F.col("__origin") == KEPT, 0).when(F.col("__origin") == MAIN, 1).otherwise(2),
    )
    shadowed = (F.col("__origin") == MAIN) & F.col("__kept")
    laid = (
        events.withColumns({"__content": said, "__ties": content(settings.tie_breaker, schema)})
        .withColumn("__kept", F.max(F.col("__origin") == KEPT).over(everyone))
        .withColumn("__rank", F.row_number().over(rank))
        .withColumn("__top", F.first(F.struct("__content", "__ties")).over(whole(rank)))
        .withColumn("__tied", F.col("__ties").eqNullSafe(F.col("__top")["__ties"]) & ~shadowed)
        .withColumn("__same", F.col("__content").eqNullSafe(F.col("__top")["__content"]))
    )
    laid = values_of_added_columns.mark_agreement(laid, settings, columns, whole(rank))
    contest = F.max(F.col("__tied") & ~F.col("__same")).over(everyone)
    return laid.withColumn("__contest", contest).withColumn(
        "__contested",
        F.col("__contest") | (F.col("__top")["__content"]["op"] == CONTESTED),
    )


def undecided_candidates(events: DataFrame) -> DataFrame:
    """Of ranked events, those that have to be refused: the strongest of contested instants."""
    claims = F.col("__tied") & (F.col("__op") != CONTESTED)
    return events.where(F.col("__contested") & claims)


def only_candidates(events: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Of marked events, those that are alone, in the shape of `decided`."""
    is_new = F.col("__origin") == NEW
    none = F.lit(0)
    return events.where(F.col(ALONE)).select(
        *[named(name) for name in columns],
        F.col("__op"),
        F.col("__version"),
        F.col("__key_has_late"),
        F.col("__arrives_late"),
        (F.col("__origin") == KEPT).alias("__kept"),
        F.lit(False).alias("__replaced"),
        F.lit(False).alias("__filled"),
        none.cast("bigint").alias("__refused"),
        is_new.cast("int").alias("__new"),
        none.cast("bigint").alias("__superseded"),
    )


def winning_candidates(
    events: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """One row an instant: the event that counts there, from ranked events.

    Returns:
        The winner's row, its `__op` being 'contested' where none can win, with `__version` of the
        instant's version if there is one, `__kept` (the instant has a kept event), `__replaced`
        (a stored row lost the instant), `__filled` (its row has values of learned columns that
        only an equal event knew) and the counts `__new`, `__superseded`, `__refused` of new events.
    """
    everyone = whole(per(*settings.key, settings.sequence))
    is_new = F.col("__origin") == NEW
    agrees = F.col("__tied") & F.col("__same") & ~F.col("__contested")
    first = events.withColumns(
        {
            "__version": F.first("__version", ignorenulls=True).over(everyone),
            "__arrives_late": F.max("__arrives_late").over(everyone),
            "__stored": F.max(~is_new & agrees).over(everyone),
            "__had": F.max(~is_new & (F.col("__op") != CONTESTED)).over(everyone),
            "__claims": F.sum((is_new & F.col("__tied")).cast("int")).over(everyone),
            "__superseded": F.sum((is_new & ~F.col("__tied")).cast("int")).over(everyone),
        }
    ).where(F.col("__rank") == 1)
    contested, claims = F.col("__contested"), F.col("__claims")
    values, filled = values_of_added_columns.merge_known_values(settings, columns, unless=contested)
    fresh = F.when(contested | (F.col("__stored") & ~filled) | (claims == 0), 0).otherwise(1)
    return first.select(
        *[values.get(name, named(name)).alias(name) for name in columns],
        F.when(contested, F.lit(CONTESTED)).otherwise(F.col("__op")).alias("__op"),
        F.col("__version"),
        F.col("__key_has_late"),
        F.col("__arrives_late"),
        F.col("__kept"),
        # A mark that is confirmed replaces nothing; one that is overruled does.
        (
            (F.col("__had") & ~F.col("__stored"))
            | (F.col("__kept") & ~contested & ~F.col("__stored"))
        ).alias("__replaced"),
        filled.alias("__filled"),
        F.when(contested, claims).otherwise(0).alias("__refused"),
        fresh.alias("__new"),
        F.col("__superseded"),
    )


def plan_versions(
    instants: DataFrame, settings: HistorySettings, columns: tuple[str, ...]
) -> DataFrame:
    """What each instant is in the history that should be, and what that means for the tables.

    Returns:
        Of `decided` the event columns, `__op`, `__version`, `__arrives_late` and the counts, and
        beside them `valid_from`, `valid_to`, `is_current` under the settings' names,
        `__effective_from` (since when the event's change holds; of one that changes nothing, its
        sequence), `__boundary` (it opens or ends a version), `__deletes_nothing` (a delete of what
        was not there), `__current_values` (the type-1 values the version shows), `__unchanged`, and
        the actions: `__version_action` on the history table ('add', 'update', 'remove', 'replace')
        and `__kept_event_action` on the kept events ('add', 'remove', 'replace'), null for nothing.
    """
    schema = instants.schema
    sequence = named(settings.sequence)
    line = per(*settings.key, "__is_decided").orderBy(sequence)
    edges = per(*settings.key, "__is_decided", "__boundary").orderBy(sequence)
    upsert = F.col("__op") == UPSERT
    tracked = settings.plain(settings.compared(columns))
    told = (
        instants.withColumn("__is_decided", F.col("__op") != CONTESTED)
        .withColumn("__tracked", F.when(upsert, content(tracked, schema)))
        .withColumn("__previous_operation", F.lag("__op").over(line))
        .withColumn("__was", F.lag("__tracked").over(line))
    )
    told = values_of_added_columns.add_last_known_values(told, settings, columns, line)
    differs = F.col("__previous_operation").isNull() | (F.col("__previous_operation") == DELETE)
    differs = differs | ~F.col("__tracked").eqNullSafe(F.col("__was"))
    if settings.learned:
        differs = differs | values_of_added_columns.known_value_changed(told, settings, columns)
    opens = F.col("__is_decided") & upsert & differs
    edge = opens | (F.col("__op") == DELETE)
    told = (
        told.withColumn("__opens_version", opens)
        .withColumn("__boundary", edge)
        .withColumn(
            "__deletes_nothing",
            ~F.col("__previous_operation").eqNullSafe(UPSERT) & (F.col("__op") == DELETE),
        )
        .withColumn("__version_group", F.sum(F.col("__boundary").cast("int")).over(line))
    )
    if settings.stamp is None:
        told = told.withColumn("__effective_from", sequence)
    else:
        told = valid_from.add_effective_from(told, settings, schema, edges=edges)
    stretch = whole(per(*settings.key, "__is_decided", "__version_group").orderBy(sequence))
    # A version ends at the next edge; what lies between edges has no end of its own.
    told = told.withColumn(
        "__effective_to", F.when(F.col("__boundary"), F.lead("__effective_from").over(edges))
    )
    told = told.withColumns(_current_values(settings, columns, schema, stretch))
    told = told.withColumn("__repeats_previous", _repeats_previous(told, settings, columns, line))
    current = F.col("__effective_to").isNull()
    told = told.withColumns(
        {
            settings.valid_from: _valid_from(settings),
            settings.valid_to: F.when(current, _open_end(settings, schema)).otherwise(
                F.col("__effective_to")
            ),
            settings.is_current: current,
            "__unchanged": F.col("__is_decided") & upsert & ~F.col("__opens_version"),
            # Seen again as it was: the read says so, and no row has to.
            "__new": F.when(_is_unchanged_observation(settings), F.lit(0)).otherwise(
                F.col("__new")
            ),
        }
    )
    # The rows are held as they are returned, so nothing goes on that only led here.
    return told.select(
        *[named(name) for name in (*columns, *settings.interval)],
        *[F.col(name) for name in _CARRIED],
        _version_action(settings, columns).alias("__version_action"),
        _kept_event_action(settings, columns, schema).alias("__kept_event_action"),
    )


def _repeats_previous(
    told: DataFrame, settings: HistorySettings, columns: tuple[str, ...], line: WindowSpec
) -> Column:
    """Whether an event says no more than the one before it, of columns that open no version."""
    if settings.remember_unchanged and settings.stamp is None:
        return F.lit(False)
    schema = told.schema
    names = _overwritten_columns(settings, columns)
    if settings.stamp is not None:
        names = (*names, *settings.dated_by)
    said = content(names, schema)
    repeats = said.eqNullSafe(F.lag(said).over(line))
    return repeats & ~values_of_added_columns.adds_known_value(told, settings, columns)


def _is_unchanged_observation(settings: HistorySettings) -> Column:
    """Whether an observation says what its key's last one said, and is not stored."""
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
    settings: HistorySettings, columns: tuple[str, ...], schema: T.StructType, stretch: WindowSpec
) -> dict[str, Column]:
    """The values that a version shows of its events (`__current_values`), and comparable ones."""
    if settings.learned:
        latest, latest_said = values_of_added_columns.current_known_values(
            settings, columns, schema, stretch
        )
        return {"__current_values": latest, "__current_content": latest_said}
    overwritten = settings.overwritten(columns)
    if not overwritten:
        return {"__current_values": F.lit(None), "__current_content": F.lit(None)}
    rest, said = numbered(overwritten), content(overwritten, schema)
    return {
        "__current_values": F.last(rest).over(stretch),
        "__current_content": F.last(said).over(stretch),
    }


def _open_end(settings: HistorySettings, schema: T.StructType) -> Column:
    end = F.lit(settings.open_end) if settings.open_end is not None else F.lit(None)
    return end.cast(schema[settings.sequence].dataType)


def _valid_from(settings: HistorySettings) -> Column:
    """The version's start. Known versions of keys without late events keep theirs: the events
    before them were not read.
    """
    start = F.col("__effective_from")
    if settings.first_valid_from is not None and settings.stamp is None:
        start = F.when(
            F.col("__previous_operation").isNull(), first_valid_from(start, settings)
        ).otherwise(start)
    known = F.col("__version").isNotNull() & ~F.col("__key_has_late")
    return F.when(known, F.col("__version")["valid_from"]).otherwise(start)


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
        # One that changes type-1 values says something: the version shows them from then on.
        hidden = hidden & ~(F.col("__unchanged") & F.col("__repeats_previous"))
    if settings.shown(columns):
        said = content(settings.shown(columns), schema)
        shows_other = ~said.eqNullSafe(F.col("__current_content"))
        hidden = hidden | (F.col("__opens_version") & shows_other)
    keep = (
        F.when(F.col("__kept") & F.col("__replaced") & hidden, F.lit("replace"))
        .when(F.col("__kept") & F.col("__replaced"), F.lit("remove"))
        .when(hidden & ~F.col("__kept"), F.lit("add"))
    )
    if not settings.learned:
        return keep
    # A kept event that turns out to know more is written anew with it, or shown by its version.
    fuller = F.when(hidden, F.lit("replace")).otherwise(F.lit("remove"))
    return F.when(F.col("__kept") & F.col("__filled"), fuller).otherwise(keep)
