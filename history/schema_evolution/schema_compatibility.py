"""Whether events fit a history table: which changes of it are allowed, and which are refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyspark.sql import types as T

from contracts.errors import SchemaDriftError, SettingsError
from history.iceberg.table_properties import TableProperties, ordering_columns
from history.model.history_settings import HistorySettings
from history.schema_evolution.allowed_type_changes import same_type, wider_type

_UNTOUCHED = "Nothing was written."


def merged_type(field: T.StructField, have: T.StructType) -> T.DataType:
    """The type in which the table stores an event's column: the wider of both."""
    if field.name not in have.fieldNames():
        return field.dataType
    return wider_type(have[field.name].dataType, field.dataType) or field.dataType


def check_columns(
    table: str,
    events: T.StructType,
    settings: HistorySettings,
    schema: T.StructType,
    recorded: TableProperties,
) -> None:
    """Refuse columns that the table can't add, widen or do without.

    Args:
        table: The history, for the error.
        events: The event columns.
        settings: How the load wants the table kept.
        schema: The table's columns.
        recorded: How the table is kept, from its properties.

    Raises:
        SchemaDriftError: Lists every refused column, with both types where the type is refused.
    """
    have = {field.name: field.dataType for field in schema.fields}
    filled = {*settings.filled}
    added = [name for name in events.fieldNames() if name not in have]
    dropped = [name for name in have if name not in {*events.fieldNames(), *filled}]
    problems = [
        *_type_problems(events, settings, have),
        *_problems_of_added(added, have, settings),
        *_problems_of_dropped(dropped, recorded),
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
    recorded: TableProperties,
) -> None:
    """Refuse settings under which the stored versions would be different.

    For arguments see `check_columns`; `have` are the table's columns without those a load fills.

    Raises:
        SettingsError: Another set of tracked columns, or another fingerprint.
    """
    common = {*events.fieldNames()} & {*have.fieldNames()}
    changed = ({*recorded.tracked} ^ {*settings.tracking(events.fieldNames())}) & common
    difference = f"a change of {', '.join(sorted(changed))}" if changed else ""
    if settings.fingerprint != recorded.fingerprint:
        difference = (
            f"the fingerprint {settings.fingerprint} in the place of {recorded.fingerprint}"
        )
    if difference:
        raise SettingsError(
            where=table,
            expected="the tracked columns that the versions were made by: "
            f"{list(recorded.tracked)}",
            found=difference,
            next_step=f"Run `strandline rebuild {table}`, or undo the change. {_UNTOUCHED}",
        )


def check_rebuild(
    table: str,
    settings: HistorySettings,
    columns: Sequence[str],
    recorded: TableProperties,
    *,
    everything: bool,
) -> None:
    """Refuse a rebuild by other tracked columns where it can't apply to the whole table.

    Raises:
        SettingsError: The fingerprints are made of other columns, or some keys are left out.
    """
    dropped = {each.column for each in recorded.evolved if each.dropped}
    changed = ({*recorded.tracked} ^ {*settings.tracking(columns)}) - dropped
    names = ", ".join(sorted(changed))
    if (settings.fingerprint or recorded.fingerprint) and (
        changed or settings.fingerprint != recorded.fingerprint
    ):
        raise SettingsError(
            where=table,
            expected="the tracked columns that the fingerprints are made of: "
            f"{list(recorded.covered)}",
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


def _type_problems(
    events: T.StructType, settings: HistorySettings, have: dict[str, T.DataType]
) -> list[str]:
    types = {field.name: field.dataType for field in events.fields}
    sequence = settings.sequence
    if sequence in have:
        kind = wider_type(have[sequence], types[sequence]) or types[sequence]
        types |= {settings.valid_from: kind, settings.valid_to: kind}
    fixed: dict[str | None, T.DataType] = {
        settings.is_current: T.BooleanType(),
        settings.surrogate_key: T.LongType(),
        settings.recorded_at: T.TimestampType(),
        settings.changed_at: T.TimestampType(),
    }
    wrong = [n for n, kind in fixed.items() if n in have and not same_type(have[n], kind)]
    problems = [f"{name}: {have[name].simpleString()} in the table" for name in wrong if name]
    return problems + [
        f"{name}: {have[name].simpleString()} in the table, {kind.simpleString()} in the events"
        for name, kind in types.items()
        if name in have and wider_type(have[name], kind) is None
    ]


def _problems_of_added(
    added: list[str], have: dict[str, T.DataType], settings: HistorySettings
) -> list[str]:
    lower = {name.lower(): name for name in have}
    problems = [
        f"{name}: the table has {lower[name.lower()]}" for name in added if name.lower() in lower
    ]
    order = ordering_columns(settings)
    return problems + [
        f"{name}: new, and the settings order or identify events by it"
        for name in added
        if name in order and not begins_reads(name, settings, have)
    ]


def begins_reads(name: str, settings: HistorySettings, have: Collection[str]) -> bool:
    """Whether a new column is the read instant, in a table that was ordered by stamps so far."""
    return name == settings.sequence and settings.stamp is not None and settings.stamp in have


def _problems_of_dropped(dropped: list[str], recorded: TableProperties) -> list[str]:
    why = dict.fromkeys(recorded.covered, "the fingerprint is made of it")
    why |= dict.fromkeys(recorded.order, "it orders or identifies the events")
    if recorded.fingerprint is not None:
        why[recorded.fingerprint] = "versions are compared by it"
    return [f"{name}: the events lack it, and {why[name]}" for name in dropped if name in why]
