"""The table that a history of another tool is in: is it one, and how do its columns correspond?

Promise: nothing is read but the catalog and counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from blocks.source_dialects.consistent_read import SourceReading
from contracts.errors import NotFoundError, SchemaDriftError, SettingsError
from contracts.model.source_relation import Relation
from tasks.imports.peer_history import PeerHistory
from tasks.source.sql_dialect import SqlDialect

__all__ = ["PeerTable", "peer_table"]

_SECONDS = 600
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""An end after this is no date, but stands for an open version."""
_SHARED_PERCENT = 5.0
"""Where more of the open versions than that share their key, it is not the key."""


@dataclass(frozen=True, slots=True)
class PeerTable:
    """A history and the table that it is in.

    Attributes:
        peer: What its configuration says.
        relation: The table.
        columns: By column of the source, the history's.
        key: The key, as the source calls its columns.
        stamp: The column that dates changes, as the source calls it; None: none does.
        rows: How many rows there are.
        nullable: The source's columns that are null in some of them.
    """

    peer: PeerHistory
    relation: Relation
    columns: Mapping[str, str]
    key: tuple[str, ...]
    stamp: str | None
    rows: int
    nullable: frozenset[str] = field(default_factory=frozenset)


def peer_table(
    reading: SourceReading,
    peer: PeerHistory,
    source_columns: Sequence[str],
    *,
    dialect: SqlDialect,
    without: Collection[str] = (),
) -> PeerTable:
    """The table of a history, if it is one that can be taken over.

    Args:
        reading: A read of the database that the history is in.
        peer: What its configuration says, with nothing missing.
        source_columns: The columns of the table that it is a history of.
        dialect: The SQL of the database.
        without: Columns of the history that are left out.

    Raises:
        NotFoundError: There is no such table.
        SchemaDriftError: It lacks a column that the configuration names, or has one that the source
            lacks.
        SettingsError: It is empty, its key is none, or its far end is another one.
    """
    relation = _relation(reading, peer)
    there = [column.name for column in relation.columns]
    needed = [peer.valid_from, peer.valid_to, *peer.key, *([peer.deleted] if peer.deleted else [])]
    if missing := [name for name in needed if name not in there]:
        raise SchemaDriftError(
            where=_where(peer),
            expected=f"a history of {peer.tool}, with the columns {', '.join(needed)}",
            found=f"no column {', '.join(missing)}",
            next_step="Name the table of the history with --history, or its key with --key."
            " Nothing was written.",
        )
    of_tool = {peer.valid_from, peer.valid_to, peer.deleted, *peer.own, *without}
    record = [name for name in there if name not in of_tool]
    columns = _corresponding(peer, source_columns, record)
    by_history = {theirs: ours for ours, theirs in columns.items()}
    rows, nulls = _counted(reading, peer, relation, record, dialect)
    _refuse_shared_keys(reading, peer, relation, dialect)
    return PeerTable(
        peer=peer,
        relation=relation,
        columns=columns,
        key=tuple(by_history[name] for name in peer.key),
        stamp=by_history.get(peer.stamp or ""),
        rows=rows,
        nullable=frozenset(by_history[name] for name in nulls),
    )


def _where(peer: PeerHistory) -> str:
    return f"{peer.where}, {'.'.join(peer.history or ())}"


def _relation(reading: SourceReading, peer: PeerHistory) -> Relation:
    try:
        return reading.relation(*(peer.history or ("", "")))
    except SchemaDriftError as error:
        raise NotFoundError(
            where=_where(peer),
            expected=error.expected,
            found=error.found,
            next_step="Name the table of the history with --history, and the block of its database"
            " with --history-source. Nothing was written.",
        ) from None


def _corresponding(
    peer: PeerHistory, source_columns: Sequence[str], record: Sequence[str]
) -> Mapping[str, str]:
    """By column of the source that of the history: of the same name, or as dlt spells it."""
    plain = {name: name for name in source_columns if name in record}
    taken = {*plain.values()}
    spelled = {
        name: _snake_case(name)
        for name in source_columns
        if peer.tool == "dlt" and name not in plain and _snake_case(name) in record
    }
    found = {**plain, **{name: other for name, other in spelled.items() if other not in taken}}
    if unknown := [name for name in record if name not in found.values()]:
        raise SchemaDriftError(
            where=_where(peer),
            expected="a history of columns that its source has: later loads fill them from there",
            found=f"{', '.join(unknown)}, which {'.'.join(peer.source or ())} lacks",
            next_step=f"Leave them out with --without {' '.join(unknown)}, or name with --table a"
            " view that has them. Nothing was written.",
        )
    if missing := [name for name in peer.key if name not in found.values()]:
        raise SchemaDriftError(
            where=_where(peer),
            expected="the key's columns in the source",
            found=f"none for {', '.join(missing)}",
            next_step="Name the key with --key. Nothing was written.",
        )
    return found


def _snake_case(name: str) -> str:
    """A name as dlt's default naming convention has it."""
    spelled = re.sub(r"([^_])([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W", "_", name.strip()))
    return re.sub(r"_+", "_", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spelled)).lower().rstrip("_")


def _counted(
    reading: SourceReading,
    peer: PeerHistory,
    relation: Relation,
    record: Sequence[str],
    dialect: SqlDialect,
) -> tuple[int, frozenset[str]]:
    """How many rows there are, and which columns are null in some."""
    present = "".join(f", COUNT({dialect.quoted(name)})" for name in record)
    end, far = dialect.quoted(peer.valid_to), dialect.literal(_FAR)
    known = "" if peer.open_end is None else f" AND {end} <> {dialect.literal(peer.open_end)}"
    ((count, odd, *counts),) = reading.rows(
        f"SELECT COUNT(*), COUNT(CASE WHEN {end} >= {far}{known} THEN 1 END){present}"  # noqa: S608
        f" FROM {_origin(relation, dialect)}",
        seconds=_SECONDS,
    )
    rows, ends = int(str(count)), int(str(odd))
    if not rows:
        raise SettingsError(
            where=_where(peer),
            expected="a history with at least one version",
            found="an empty table",
            next_step="Name the table of the history with --history. Nothing was written.",
        )
    if ends:
        raise SettingsError(
            where=_where(peer),
            expected="no end after the year 9000 but the one that stands for an open version",
            found=f"another one in {ends:,} of {rows:,} rows",
            next_step="Say --open-end with the value that the table has, in UTC."
            " Nothing was written.",
        )
    return rows, frozenset(
        name for name, number in zip(record, counts, strict=True) if int(str(number)) < rows
    )


def _refuse_shared_keys(
    reading: SourceReading, peer: PeerHistory, relation: Relation, dialect: SqlDialect
) -> None:
    """Refuse a key that many open versions share. A few are the history's own faults."""
    end = dialect.quoted(peer.valid_to)
    is_open = f"{end} IS NULL"
    if peer.open_end is not None:
        is_open = f"({is_open} OR {end} = {dialect.literal(peer.open_end)})"
    keys = ", ".join(map(dialect.quoted, peer.key))
    ((count, shared),) = reading.rows(
        "SELECT COALESCE(SUM(n), 0), COALESCE(SUM(CASE WHEN n > 1 THEN n END), 0)"  # noqa: S608
        f" FROM (SELECT COUNT(*) AS n FROM {_origin(relation, dialect)}"
        f" WHERE {is_open} GROUP BY {keys}) versions",
        seconds=_SECONDS,
    )
    versions, sharing = int(str(count)), int(str(shared))
    if sharing * 100 > versions * _SHARED_PERCENT:
        raise SettingsError(
            where=_where(peer),
            expected=f"a key that identifies a record; {', '.join(peer.key)} was taken for it",
            found=f"{sharing:,} of {versions:,} open versions whose key another one has",
            next_step="Name all of its columns with --key. Nothing was written.",
        )


def _origin(relation: Relation, dialect: SqlDialect) -> str:
    return f"{dialect.quoted(relation.schema)}.{dialect.quoted(relation.name)}"
