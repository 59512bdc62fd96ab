"""From what a catalog and a sample say of a table to the parts of a contract of it.

Promise: what is proposed can be checked and loaded as it is. What the source does not prove, and
what a user may want otherwise, is a decision, in words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from contracts.errors import ContractError
from contracts.model import Classification, Contract
from contracts.model.database_type_names import family
from contracts.model.reserved_column_names import OURS
from contracts.model.source_relation import (
    ColumnDetails,
    ForeignKey,
    RelationColumn,
    RelationDetails,
)
from contracts.validation.contract_notices import suggests_derived
from tasks.introspection.column_types import ColumnTypes, column_types
from tasks.introspection.contract_proposal import (
    ContractNames,
    KnownHistory,
    LeftOut,
    Proposal,
    ProposedColumn,
)
from tasks.introspection.data_subject import DataSubject, data_subject_of
from tasks.introspection.key_and_stamps import (
    Key,
    Stamps,
    entity_of_log,
    is_named_like_a_log,
    is_named_like_a_stamp,
    key_of,
    stamps_of,
)
from tasks.introspection.sampled_rows import Sample
from tasks.introspection.suggest_classifications import (
    COMPUTED,
    Suggestion,
    sensitive_columns,
    suggested_classifications,
)
from tasks.introspection.target_names import free_name, identifier, physical_type, target_name
from tasks.introspection.translate_checks import (
    ColumnPromise,
    TranslatedChecks,
    translated_checks,
)
from tasks.source.sql_dialect import SqlDialect
from tasks.source.sql_dialects.postgresql_sql import POSTGRESQL

__all__ = ["propose_contract"]

FULL_UP_TO = 1_000_000
"""Rows up to which a full load is proposed: it finds every change and every deletion."""
_TEXTS = frozenset(
    {
        *("text", "tinytext", "mediumtext", "longtext", "clob", "character large object"),
        *("varchar", "char", "nvarchar", "nchar"),
    }
)
"""Types of text; PostgreSQL says `character varying`, whose length is in the type's word."""
SPLIT_FROM = 100_000
"""Rows from which the read is split by the key."""


def propose_contract(
    details: RelationDetails,
    sample: Sample,
    names: ContractNames,
    *,
    rows: int | None,
    dialect: SqlDialect = POSTGRESQL,
    unreadable: Collection[str] = (),
    others: Sequence[Contract] = (),
    history: KnownHistory | None = None,
) -> Proposal:
    """The parts of a contract of a table.

    Args:
        details: The table, as its catalog describes it.
        sample: Rows of it, or none.
        names: What the contract is called.
        rows: How many rows it has, about; None: not known.
        dialect: Of its database.
        unreadable: Columns of which the database refuses the SQL that reads them.
        others: The contracts that there are, for what foreign keys refer to.
        history: A history that another tool kept of the table, which the contract continues.

    Raises:
        ContractError: The table has no column that could be a key.
    """
    stamping = {each for each in details.columns if is_named_like_a_stamp(each)}
    types = column_types(details, dialect, sample, stamps=stamping)
    kept, left_out = _kept(details, types, unreadable, history)
    columns = [column.name for column in kept]
    suggestions = suggested_classifications(details, columns, types.read_as, sample)
    sensitive = sensitive_columns(columns, suggestions)
    key = key_of(details, columns, types.read_as, sample)
    if history is not None:
        key = Key(history.key, f"the key of {history.origin}")
    if key is None:
        raise ContractError(
            where=f"{details.relation.schema}.{details.relation.name}",
            expected="a column that can identify a row",
            found="none that can be read and is no floating point number",
            next_step="Name a view that has one, or grant the block's user its columns.",
        )
    stamps = stamps_of(details, columns, types.read_as, unfit={*sensitive, *key.columns})
    if history is not None:
        stamps = _known_stamps(details, history)
    events = _is_log(details, key, stamps)
    if events and (entity := entity_of_log(details, columns)) is not None:
        key = Key((entity,), "what the rows may be changes of", key.doubt)
    checks = _promises(details, kept, dialect)
    proposed = _columns(details, kept, types, dialect, suggestions, sensitive, key, checks)
    proposed = _with_references(details, proposed, names, others)
    incremental = events or (stamps.marks_changes and (rows or 0) > FULL_UP_TO)
    copied = stamps.columns[0] if len(stamps.columns) == 1 else ""
    tracked: Collection[str] = {*columns} - {*key.columns, *stamps.columns}
    if history is not None:
        proposed = [
            replace(each, required=False) if each.source in history.nullable else each
            for each in proposed
        ]
        # Each change of a column opened a version in that history, also one of the stamp alone.
        incremental, copied, tracked = not history.closes_absent, "", {*columns} - {*key.columns}
        incremental = incremental and stamps.marks_changes
    worded = {column.source: column.type for column in proposed}
    subject = data_subject_of(details, proposed, key)
    parts = Proposal(
        names=names,
        details=details,
        rows=rows,
        columns=tuple(proposed),
        left_out=tuple(left_out),
        key=key,
        events=events,
        stamps=stamps,
        stamp_type=worded[stamps.columns[0]] if stamps.columns else "TIMESTAMP",
        copied_stamp=copied,
        incremental=incremental,
        partition_column=_partition_column(details, proposed, types, dialect, key, rows),
        subject=() if subject is None else subject.columns,
        tracked=tuple(column.target for column in proposed if column.source in tracked),
        conditions=_by_id(checks.conditions),
        untranslated=checks.untranslated,
        slices=dialect.sessions_share_a_state,
        decisions={},
        notes=(),
        history=history,
    )
    decisions = _decisions(parts, subject)
    return replace(parts, decisions=decisions, notes=_notes(details, sample))


def _known_stamps(details: RelationDetails, history: KnownHistory) -> Stamps:
    if history.stamp is None:
        return Stamps()
    is_indexed = history.stamp in details.indexed
    return Stamps((history.stamp,), marks_changes=True, indexed=is_indexed)


def _kept(
    details: RelationDetails,
    types: ColumnTypes,
    unreadable: Collection[str],
    history: KnownHistory | None,
) -> tuple[list[RelationColumn], list[LeftOut]]:
    kept: list[RelationColumn] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set()
    for column in details.relation.columns:
        why = _unfit(column, details.columns[column.name], types, taken)
        if not why and column.name in unreadable:
            why = "the database refuses the block's `text` of it; name its type in `texts`"
        if not why and history is not None and column.name not in history.columns:
            why = f"{history.origin} has no such column"
        if why:
            left_out.append(LeftOut(column.name, details.columns[column.name].declared, why))
        else:
            kept.append(column)
            taken.add(column.name.lower())
    return kept, left_out


def _unfit(column: RelationColumn, more: ColumnDetails, types: ColumnTypes, taken: set[str]) -> str:
    """Why a contract can't have the column, with what can be done; empty: it can."""
    if not more.readable:
        return "the block's user may not read it; grant SELECT on it"
    if column.name.startswith(OURS):
        return f"names that begin with {OURS} are reserved; read a view that names it otherwise"
    if column.name.lower() in taken:
        return "another column has its name but for case; read a view that names it otherwise"
    if column.name not in types.read_as:
        return f"no value of {column.type} is carried; read a view that casts it to text"
    return ""


def _promises(
    details: RelationDetails, kept: Sequence[RelationColumn], dialect: SqlDialect
) -> TranslatedChecks:
    """What constraints promise; of other databases than PostgreSQL they are only named."""
    if dialect.name == POSTGRESQL.name:
        return translated_checks(details.checks, kept)
    return TranslatedChecks(untranslated=tuple(check.name for check in details.checks))


def _is_log(details: RelationDetails, key: Key, stamps: Stamps) -> bool:
    """No key of its own, a time in each row, and the name of a log: rows are changes."""
    nullable = {each.name for each in details.relation.columns if each.nullable}
    dated = bool(stamps.columns) and nullable.isdisjoint(stamps.columns[-1:])
    return bool(key.doubt) and dated and is_named_like_a_log(details.relation.name)


def _columns(
    details: RelationDetails,
    kept: Sequence[RelationColumn],
    types: ColumnTypes,
    dialect: SqlDialect,
    suggestions: Mapping[str, Suggestion],
    sensitive: Mapping[str, Classification],
    key: Key,
    checks: TranslatedChecks,
) -> list[ProposedColumn]:
    proposed = []
    # A name that needs no change is not given to a column whose name does.
    taken = {column.name.lower() for column in kept}
    for column in kept:
        more, suggestion = details.columns[column.name], suggestions.get(column.name, Suggestion())
        target = target_name(column.name, taken - {column.name.lower()})
        taken.add(target.lower())
        read_as = types.read_as[column.name]
        worded = physical_type(
            column, _declared(column, more), read_as, bounded=dialect.name != "sqlite"
        )
        noted = [
            *_column_notes(column, more, suggestion, worded, dialect),
            *[note for name, note in types.notes.items() if name == column.name],
        ]
        decided = _column_decisions(column, suggestion, sensitive, key)
        decided += [text for name, text in types.decisions.items() if name == column.name]
        promise = checks.promises.get(column.name)
        if more.labels:
            promise = promise or ColumnPromise()
            promise.one_of(more.labels)
        proposed.append(
            ProposedColumn(
                source=column.name,
                target=target,
                declared=more.declared,
                type=worded,
                required=not column.nullable or column.name in key.columns,
                description=" ".join(more.comment.split()),
                suggestion=suggestion,
                sensitive=sensitive.get(column.name),
                promise=promise,
                reference="",
                later="",
                notes=tuple(dict.fromkeys(noted)),
                decisions=tuple(decided),
            )
        )
    return proposed


def _declared(column: RelationColumn, more: ColumnDetails) -> str:
    """The type with its length; a domain is its base type."""
    return column.type if more.domain or column.kind == "base" else more.declared


def _column_notes(
    column: RelationColumn,
    more: ColumnDetails,
    suggestion: Suggestion,
    worded: str,
    dialect: SqlDialect,
) -> list[str]:
    notes = [*suggestion.why]
    if more.identity:
        notes.append("identity")
    if more.generated:
        made = f" from {', '.join(more.made_of)}" if more.made_of else ""
        notes.append(f"{COMPUTED}{made}")
    if more.domain:
        notes.append(f"domain {more.declared} of {column.type}")
    elif worded == "TEXT" and not _is_text(column, more):
        if column.type.lower().startswith(("numeric", "decimal")):
            notes.append(f"{column.type}: as text, exactly; DECIMAL(p,s) refuses what does not fit")
        else:
            word = "enum" if more.labels else more.declared
            notes.append(f"{word}, as text")
    if worded == "TIMESTAMP" and _has_no_zone(column, dialect):
        notes.append("without time zone: taken as UTC")
    return notes


def _is_text(column: RelationColumn, more: ColumnDetails) -> bool:
    """Whether a reader expects text of the type."""
    return column.type.lower().partition("(")[0] in _TEXTS and more.declared.lower() != "json"


def _has_no_zone(column: RelationColumn, dialect: SqlDialect) -> bool:
    kind = column.type.lower()
    return {
        "postgresql": kind.startswith("timestamp") and kind.endswith("without time zone"),
        "mariadb": kind.startswith("datetime"),
        "sqlite": True,
        "jdbc": column.kind == "timestamp",
    }[dialect.name]


def _column_decisions(
    column: RelationColumn,
    suggestion: Suggestion,
    sensitive: Mapping[str, Classification],
    key: Key,
) -> list[str]:
    decisions = []
    if suggestion.doubt:
        decisions.append(
            f"{column.name} is {', '.join(suggestion.why)}, but {suggestion.doubt}; classify it"
        )
    if column.name in key.columns and column.name in sensitive:
        decisions.append(
            f"{column.name} is sensitive and in the key: it is stored as a pseudonym, which nobody"
            " can undo; else choose another key"
        )
    unsaid = sensitive and not suggestion.made_of and column.name not in sensitive
    if unsaid and suggests_derived(column.name):
        decisions.append(
            f"say derived_from of {column.name}, whose name suggests that it is made of other"
            " columns; [] if it is not"
        )
    return decisions


def _with_references(
    details: RelationDetails,
    columns: Sequence[ProposedColumn],
    names: ContractNames,
    others: Sequence[Contract],
) -> list[ProposedColumn]:
    """With what foreign keys refer to: a relationship where there is a history of it."""
    found = {column.source: column for column in columns}
    for foreign in details.foreign_keys:
        for name in foreign.columns:
            column = found.get(name)
            if column is not None:
                found[name] = _referring(column, foreign, names, others)
    return [*found.values()]


def _referring(
    column: ProposedColumn, foreign: ForeignKey, names: ContractNames, others: Sequence[Contract]
) -> ProposedColumn:
    other = f"{foreign.schema}.{foreign.table}"
    if len(foreign.columns) != 1:
        pairs = f"({', '.join(foreign.columns)}) refer to {other} together, which is not checked"
        return replace(column, notes=(*column.notes, pairs))
    notes = (*column.notes, f"foreign key to {other}.{foreign.referenced[0]}")
    if column.sensitive is not None:
        return replace(column, notes=notes)
    history = _history_of(foreign, names, others)
    later = f"{names.namespace}.{foreign.table}.{foreign.referenced[0]}"
    return replace(column, reference=history, later="" if history else later, notes=notes)


def _history_of(foreign: ForeignKey, names: ContractNames, others: Sequence[Contract]) -> str:
    """The column of a history that has the referenced values in the clear; empty: there is none."""
    for other in others:
        source = other.source
        same = (source.connection, source.schema, source.table) == (
            names.connection, foreign.schema, foreign.table,
        )  # fmt: skip
        for column in other.columns if same else ():
            copied = column.transformation.name == "direct" and column.protection is None
            if copied and column.sources == foreign.referenced:
                return f"{other.target}.{column.name}"
    return ""


def _partition_column(
    details: RelationDetails,
    columns: Sequence[ProposedColumn],
    types: ColumnTypes,
    dialect: SqlDialect,
    key: Key,
    rows: int | None,
) -> str | None:
    if not dialect.sessions_share_a_state:  # then rows are read by one statement
        return None
    kinds = {each.source: types.read_as[each.source] for each in columns if not each.sensitive}
    bounded = {
        name
        for name, kind in kinds.items()
        if kind in ("date", "timestamp") or family(kind) == "integer" or "decimal" in kind
    }
    if len(details.partitioned_by) == 1 and bounded.issuperset(details.partitioned_by):
        return details.partitioned_by[0]
    if details.relation.pages:  # then slices are ranges of pages
        return None
    if (rows or 0) >= SPLIT_FROM and len(key.columns) == 1 and bounded.issuperset(key.columns):
        return key.columns[0]
    return None


def _by_id(conditions: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """The conditions by the id of their check, which is made of the constraint's name."""
    found: dict[str, str] = {}
    for name, texts in conditions.items():
        for text in texts:
            found[free_name(identifier(name, "check"), found)] = text
    return found


def _decisions(parts: Proposal, subject: DataSubject | None) -> Mapping[str, str]:
    """What there is to decide, by the key of the contract that it is about."""
    found: dict[str, str] = {}
    key, stamps, table = parts.key, parts.stamps, parts.details.relation.name
    if key.doubt:
        found["key"] = f"{key.doubt}; name what identifies a row"
    if subject is not None:
        found["subject"] = (
            f"rows may be about the person of {', '.join(subject.columns)} ({subject.why}), by whom"
            " they are erased, held and kept away; name other columns, or leave privacy out where"
            " the key names the person, or nobody is in the rows"
        )
    if parts.events:
        found["kind"] = (
            f"rows are read as changes of {', '.join(key.columns)}, since {table} is named like a"
            " log and has no key; say state if each row is a thing of its own"
        )
    elif is_named_like_a_log(table):
        found["kind"] = (
            "each row is read as a thing of its own, though the table is named like a log; say"
            " events if rows are changes of something, and name that as the key"
        )
    if parts.incremental and not parts.events:
        index = "an index supports it" if stamps.indexed else "no index supports it"
        found["load"] = (
            f"deleted rows, and changes that leave {', '.join(stamps.columns)} as it is, are not"
            f" seen ({index}); load: full with absent: close sees all"
        )
    if parts.details.policies_hide_rows:
        found["table"] = (
            "row-level security applies to the block's user, and no load runs; give it BYPASSRLS,"
            " or read a view whose owner sees the rows that are meant"
        )
    return found


def _notes(details: RelationDetails, sample: Sample) -> tuple[str, ...]:
    notes = []
    if details.policies_hide_rows:
        notes.append("row-level security applies to the block's user: loads are refused")
    elif details.relation.row_security and details.kind == "view":
        notes.append("a table behind this view has row-level security, which may hide rows")
    if sample.missing:
        notes.append(f"no sample: {sample.missing}; suggestions are by name alone")
    return tuple(notes)
