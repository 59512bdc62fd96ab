"""Whether events fit a history table: what it may become by them, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyspark.sql import types as T

from contracts.errors import SchemaDriftError, SettingsError
from history.iceberg.table_properties import TableProperties, ordering_columns
from history.model.history_settings import HistorySettings
from history.schema_evolution.allowed_type_changes import same_type, wider_type

_UNTOUCHED = "Nothing was written."


def merged_type(field: T.StructField, have: T.StructType) -> T.DataType:
    """The type in which the table keeps an event's column: the wider of both."""
    if field.name not in have.fieldNames():
        return field.dataType
    return wider_type(have[field.name].dataType, field.dataType) or field.dataType


def check_columns(
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    schema: T.StructType,
    told: TableProperties,
) -> None:
    """Refuse columns that the table can't come to have, or can't do without.

    Args:
        table: The history, for the error.
        events: The event columns.
        settings: How the load wants the table kept.
        schema: The table's columns.
        told: What the table says of itself.

    Raises:
        SchemaDriftError: All that is refused, with both types where a type is.
    """
    have = {field.name: field.dataType for field in schema.fields}
    filled = {*settings.filled}
    added = [name for name in events.fieldNames() if name not in have]
    dropped = [name for name in have if name not in {*events.fieldNames(), *filled}]
    problems = [
        *_of_types(events, settings, have),
        *_of_added(added, have, settings),
        *_of_dropped(dropped, told),
    ]
    problems += [f"{name}: a column the load fills is missing" for name in filled - have.keys()]
    if problems:
        raise SchemaDriftError(
            where=table,
            expected="columns that the history has or can come to have",
            found="; ".join(problems),
            next_step="Align the events or the contract with the table, or load them into a new "
            f"target. {_UNTOUCHED}",
        )


def check_tracking(
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    have: T.StructType,
    told: TableProperties,
) -> None:
    """Refuse settings under which the versions that are there would be other ones.

    For arguments see `check_columns`; `have` are the table's columns without those a load fills.

    Raises:
        SettingsError: Another set of tracked columns, or another fingerprint.
    """
    shared = {*events.fieldNames()} & {*have.fieldNames()}
    changed = ({*told.tracked} ^ {*settings.tracking(events.fieldNames())}) & shared
    what = f"a change of {', '.join(sorted(changed))}" if changed else ""
    if settings.fingerprint != told.fingerprint:
        what = f"the fingerprint {settings.fingerprint} in the place of {told.fingerprint}"
    if what:
        raise SettingsError(
            where=table,
            expected=f"the tracked columns that the versions were made by: {list(told.tracked)}",
            found=what,
            next_step=f"Run `strandline rebuild {table}`, or undo the change. {_UNTOUCHED}",
        )


def check_rebuild(
    table: str,
    settings: HistorySettings,
    columns: Sequence[str],
    told: TableProperties,
    *,
    everything: bool,
) -> None:
    """Refuse a rebuild by other tracked columns where they can't take hold of the whole table.

    Raises:
        SettingsError: The fingerprints are made of other columns, or some keys are left out.
    """
    dropped = {each.column for each in told.learned if each.dropped}
    changed = ({*told.tracked} ^ {*settings.tracking(columns)}) - dropped
    names = ", ".join(sorted(changed))
    if (settings.fingerprint or told.fingerprint) and (
        changed or settings.fingerprint != told.fingerprint
    ):
        raise SettingsError(
            where=table,
            expected=f"the tracked columns that the fingerprints are made of: {list(told.covered)}",
            found=f"a change of {names}" if names else f"the fingerprint {settings.fingerprint}",
            next_step="Restore `tracked`, or load a new table from the source: the tracked columns "
            "are inside the fingerprint, so a rebuild can mend structure only.",
        )
    if changed and not everything:
        raise SettingsError(
            where=table,
            expected="a rebuild of all keys, since other columns are tracked now",
            found=f"a change of {names}, and a choice of keys",
            next_step="Rebuild everything (`--all`), or undo the change.",
        )


def _of_types(
    events: T.StructType, settings: HistorySettings, have: dict[str, T.DataType]
) -> list[str]:
    kinds = {field.name: field.dataType for field in events.fields}
    sequence = settings.sequence
    if sequence in have:
        kind = wider_type(have[sequence], kinds[sequence]) or kinds[sequence]
        kinds |= {settings.valid_from: kind, settings.valid_to: kind}
    fixed: dict[str | None, T.DataType] = {
        settings.is_current: T.BooleanType(),
        settings.surrogate_key: T.LongType(),
        settings.recorded_at: T.TimestampType(),
        settings.changed_at: T.TimestampType(),
    }
    same = [n for n, kind in fixed.items() if n in have and not same_type(have[n], kind)]
    told = [f"{name}: {have[name].simpleString()} in the table" for name in same if name]
    return told + [
        f"{name}: {have[name].simpleString()} in the table, {kind.simpleString()} in the events"
        for name, kind in kinds.items()
        if name in have and wider_type(have[name], kind) is None
    ]


def _of_added(
    added: list[str], have: dict[str, T.DataType], settings: HistorySettings
) -> list[str]:
    lower = {name.lower(): name for name in have}
    told = [
        f"{name}: the table has {lower[name.lower()]}" for name in added if name.lower() in lower
    ]
    order = ordering_columns(settings)
    return told + [
        f"{name}: new, and the settings order or identify events by it"
        for name in added
        if name in order and not begins_reads(name, settings, have)
    ]


def begins_reads(name: str, settings: HistorySettings, have: Collection[str]) -> bool:
    """Whether a new column is when rows were read, of a table that was ordered by stamps so far."""
    return name == settings.sequence and settings.stamp is not None and settings.stamp in have


def _of_dropped(dropped: list[str], told: TableProperties) -> list[str]:
    why = dict.fromkeys(told.covered, "the fingerprint is made of it")
    why |= dict.fromkeys(told.order, "it orders or identifies the events")
    if told.fingerprint is not None:
        why[told.fingerprint] = "versions are compared by it"
    return [f"{name}: the events lack it, and {why[name]}" for name in dropped if name in why]
