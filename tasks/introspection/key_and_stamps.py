"""What identifies a row of a table, and which columns date its changes.

Promise: what the catalog proves is told apart from what names and a sample suggest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from contracts.model.source_relation import RelationColumn, RelationDetails
from tasks.introspection.personal_data_names import name_words, words_of
from tasks.introspection.sampled_rows import Sample

__all__ = [
    "Key",
    "Stamps",
    "entity_of_log",
    "is_named_like_a_log",
    "is_named_like_a_stamp",
    "key_of",
    "stamps_of",
]

_UPDATED = words_of(
    "updated update upd modified modification modify changed change mtime lastmod lastmodified "
    "lastupdated aktualisiert aktualisierung geaendert aenderung aenderungsdatum modifie maj "
    "actualizado actualizacion modificado modificacion"
)
_CREATED = words_of(
    "created create creation ctime inserted insert added registered occurred logged recorded "
    "erstellt erstelldatum angelegt anlage cree creado creacion"
)
_LOGS = words_of(
    "log logs event events history hist audit audits journal journals changelog changes cdc "
    "ereignis ereignisse protokoll verlauf historie journaux evenement evenements historique "
    "evento eventos historial registro"
)
_FLOATS = ("float", "double")
_PROVING = 20
"""From so many sampled rows on, different values in all of them tell something."""


@dataclass(frozen=True, slots=True)
class Key:
    """The columns that identify a row.

    Attributes:
        columns: In their order.
        why: Why these, in words.
        doubt: What a user has to decide about them; empty: the catalog proves them.
        others: Other keys of the catalog, in words.
    """

    columns: tuple[str, ...]
    why: str
    doubt: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamps:
    """The columns that say since when a row is as it is.

    Attributes:
        columns: Of them the first that is not null counts; none: nothing does.
        marks_changes: By its name it moves with each change, and it is never null.
        indexed: An index begins with each of them.
    """

    columns: tuple[str, ...] = ()
    marks_changes: bool = False
    indexed: bool = False


def is_named_like_a_log(table: str) -> bool:
    """Whether the name suggests that rows are changes or events and not things."""
    return not _LOGS.isdisjoint(name_words(table))


def is_named_like_a_stamp(column: str) -> bool:
    """Whether the name suggests that a column says when its row was made or changed."""
    return not (_UPDATED | _CREATED).isdisjoint(name_words(column))


def key_of(
    details: RelationDetails, columns: Sequence[str], types: Mapping[str, str], sample: Sample
) -> Key | None:
    """The key of the table; None: no column could be one.

    Args:
        details: The table.
        columns: The columns that the contract will have.
        types: The Spark type of each.
        sample: Rows of it, or none.
    """
    described = {each.name: each for each in details.relation.columns if each.name in columns}
    fit = {name for name in described if types[name] not in _FLOATS}
    whole = [key for key in details.keys if fit.issuperset(key.columns)]
    nullable = {
        key.name: [name for name in key.columns if described[name].nullable] for key in whole
    }
    # The primary key comes first; else the one with the fewest columns, none of them null.
    ranked = sorted(
        whole, key=lambda key: (not key.primary, bool(nullable[key.name]), len(key.columns))
    )
    if ranked:
        best = ranked[0]
        kind = "the primary key" if best.primary else f"the unique key {best.name}"
        doubt = ""
        if nullable[best.name]:
            names = ", ".join(nullable[best.name])
            doubt = f"{names} may be null in the source, and rows without it are refused"
        others = tuple(", ".join(key.columns) for key in ranked[1:])
        return Key(best.columns, kind, doubt, others)
    guess = _guess(details, [name for name in columns if name in fit], sample)
    if guess is None:
        return None
    name, why = guess
    return Key((name,), why, f"the source proves no key; {name} is a guess: {why}")


def stamps_of(
    details: RelationDetails,
    columns: Sequence[str],
    types: Mapping[str, str],
    *,
    unfit: Collection[str],
) -> Stamps:
    """The stamps of the table's rows.

    Args:
        details: The table.
        columns: The columns that the contract will have.
        types: The Spark type of each.
        unfit: Those that must not date a version: sensitive ones, and the key.
    """
    times = {
        each.name: each
        for each in details.relation.columns
        if each.name in columns
        and each.name not in unfit
        and types[each.name] in ("timestamp", "date")
    }
    updated = _ranked(times, types, _UPDATED)
    created = _ranked(times, types, _CREATED)
    chosen: tuple[str, ...] = ()
    marks = bool(updated)
    if updated and not times[updated[0]].nullable:
        chosen = (updated[0],)
    elif updated:
        kind = types[updated[0]]
        fallback = [name for name in created if not times[name].nullable and types[name] == kind]
        chosen, marks = (updated[0], *fallback[:1]), bool(fallback)
    elif created:
        chosen = (created[0],)
    return Stamps(chosen, marks, bool(chosen) and details.indexed.issuperset(chosen))


def entity_of_log(details: RelationDetails, columns: Sequence[str]) -> str | None:
    """The column of a log that may say what its rows are changes of; None: none does."""
    for key in details.foreign_keys:
        if len(key.columns) == 1 and key.columns[0] in columns:
            return key.columns[0]
    return next((name for name in columns if name_words(name)[-1:] == ("id",)), None)


def _ranked(
    times: Mapping[str, RelationColumn], types: Mapping[str, str], words: frozenset[str]
) -> list[str]:
    """The columns that are named so: timestamps before days, those never null before others."""
    named = [name for name in times if not words.isdisjoint(name_words(name))]
    return sorted(named, key=lambda name: (types[name] == "date", times[name].nullable))


def _guess(
    details: RelationDetails, columns: Sequence[str], sample: Sample
) -> tuple[str, str] | None:
    if not columns:
        return None
    different = []
    if len(sample.rows) >= _PROVING:
        for name in columns:
            values = [row.get(name) for row in sample.rows]
            if None not in values and len({*map(str, values)}) == len(values):
                different.append(name)
    table = name_words(details.relation.name)
    own = ({"id"}, {*table, "id"}, {"code"}, {"uuid"}, {"key"}, {"number"}, {"no"})
    for name in different or columns:
        if {*name_words(name)} in own or name_words(name)[-1:] == ("id",):
            return name, "named like a key" + (
                f", and different in {len(sample.rows)} sampled rows" if different else ""
            )
    if different:
        return different[0], f"different in {len(sample.rows)} sampled rows"
    return columns[0], "the first column"
