"""From what a catalog and a sample say of a table to the parts of a contract of it.

Promise: what is proposed can be checked and loaded as it is. What the source does not prove, and
what a user may want otherwise, is a decision, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from tasks.introspection.contract_proposal import (
    ContractNames,
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
    key_of,
    stamps_of,
)
from tasks.introspection.sampled_rows import Sample
from tasks.introspection.suggest_classifications import (
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
from tasks.source.postgresql_to_spark_types import carrier, natural_type

__all__ = ["propose_contract"]

FULL_UP_TO = 1_000_000
"""Rows up to which a full load is proposed: it finds every change and every deletion."""
SPLIT_FROM = 100_000
"""Rows from which the read is split by the key."""


def propose_contract(
    details: RelationDetails,
    sample: Sample,
    names: ContractNames,
    *,
    rows: int | None,
    others: Sequence[Contract] = (),
) -> Proposal:
    """The parts of a contract of a table.

    Args:
        details: The table, as its catalog describes it.
        sample: Rows of it, or none.
        names: What the contract is called.
        rows: How many rows it has, about; None: not known.
        others: The contracts that there are, for what foreign keys refer to.

    Raises:
        ContractError: The table has no column that could be a key.
    """
    kept, left_out = _kept(details)
    columns = [column.name for column in kept]
    suggestions = suggested_classifications(details, columns, sample)
    sensitive = sensitive_columns(columns, suggestions)
    key = key_of(details, columns, sample)
    if key is None:
        raise ContractError(
            where=f"{details.relation.schema}.{details.relation.name}",
            expected="a column that can identify a row",
            found="none that can be read and is no floating point number",
            next_step="Name a view that has one, or grant the block's user its columns.",
        )
    stamps = stamps_of(details, columns, unfit={*sensitive, *key.columns})
    events = _is_log(details, key, stamps)
    if events and (entity := entity_of_log(details, columns)) is not None:
        key = Key((entity,), "what the rows may be changes of", key.doubt)
    checks = translated_checks(details.checks, kept)
    proposed = _columns(details, kept, suggestions, sensitive, key, checks)
    proposed = _with_references(details, proposed, names, others)
    incremental = events or (stamps.marks_changes and (rows or 0) > FULL_UP_TO)
    copied = stamps.columns[0] if len(stamps.columns) == 1 else ""
    types = {column.source: column.type for column in proposed}
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
        stamp_type=types[stamps.columns[0]] if stamps.columns else "TIMESTAMP",
        copied_stamp=copied,
        incremental=incremental,
        partition_column=_partition_column(details, kept, key, sensitive, rows),
        subject=() if subject is None else subject.columns,
        tracked=tuple(
            column.target
            for column in proposed
            if column.source not in (*key.columns, *stamps.columns)
        ),
        conditions=_by_id(checks.conditions),
        untranslated=checks.untranslated,
        decisions={},
        notes=(),
    )
    decisions = _decisions(parts, subject)
    return replace(parts, decisions=decisions, notes=_notes(details, sample))


def _kept(details: RelationDetails) -> tuple[list[RelationColumn], list[LeftOut]]:
    kept: list[RelationColumn] = []
    left_out: list[LeftOut] = []
    taken: set[str] = set()
    for column in details.relation.columns:
        why = _unfit(column, details.columns[column.name], taken)
        if why:
            left_out.append(LeftOut(column.name, details.columns[column.name].declared, why))
        else:
            kept.append(column)
            taken.add(column.name.lower())
    return kept, left_out


def _unfit(column: RelationColumn, more: ColumnDetails, taken: set[str]) -> str:
    """Why a contract can't have the column, with what can be done; empty: it can."""
    if not more.readable:
        return "the block's user may not read it; grant SELECT on it"
    if column.name.startswith(OURS):
        return f"names that begin with {OURS} are reserved; read a view that names it otherwise"
    if column.name.lower() in taken:
        return "another column has its name but for case; read a view that names it otherwise"
    if carrier(column, natural_type(column)) is None:
        return f"no value of {column.type} is carried; read a view that casts it to text"
    return ""


def _is_log(details: RelationDetails, key: Key, stamps: Stamps) -> bool:
    """No key of its own, a time in each row, and the name of a log: rows are changes."""
    nullable = {each.name for each in details.relation.columns if each.nullable}
    dated = bool(stamps.columns) and nullable.isdisjoint(stamps.columns[-1:])
    return bool(key.doubt) and dated and is_named_like_a_log(details.relation.name)


def _columns(
    details: RelationDetails,
    kept: Sequence[RelationColumn],
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
        promise = checks.promises.get(column.name)
        if more.labels:
            promise = promise or ColumnPromise()
            promise.one_of(more.labels)
        proposed.append(
            ProposedColumn(
                source=column.name,
                target=target,
                declared=more.declared,
                type=physical_type(column),
                required=not column.nullable or column.name in key.columns,
                description=" ".join(more.comment.split()),
                suggestion=suggestion,
                sensitive=sensitive.get(column.name),
                promise=promise,
                reference="",
                later="",
                notes=tuple(_column_notes(column, more, suggestion)),
                decisions=tuple(_column_decisions(column, suggestion, sensitive, key)),
            )
        )
    return proposed


def _column_notes(column: RelationColumn, more: ColumnDetails, suggestion: Suggestion) -> list[str]:
    notes = [*suggestion.why]
    if more.identity:
        notes.append("identity")
    if more.generated:
        made = f" from {', '.join(more.made_of)}" if more.made_of else ""
        notes.append(f"computed by the database{made}")
    if more.domain:
        notes.append(f"domain {more.declared} of {column.type}")
    elif physical_type(column) == "TEXT" and column.type != "text":
        if column.type.startswith("numeric"):
            notes.append(f"{column.type}: as text, exactly; DECIMAL(p,s) refuses what does not fit")
        else:
            word = "enum" if column.kind == "enum" else more.declared
            notes.append(f"{word}, as text")
    if column.type == "timestamp without time zone":
        notes.append("without time zone: taken as UTC")
    return notes


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
    kept: Sequence[RelationColumn],
    key: Key,
    sensitive: Mapping[str, Classification],
    rows: int | None,
) -> str | None:
    bounded = {
        column.name
        for column in kept
        if column.name not in sensitive
        and (
            natural_type(column) in ("date", "timestamp")
            or family(natural_type(column)) == "integer"
            or natural_type(column).startswith("decimal")
        )
    }
    if len(details.partitioned_by) == 1 and bounded.issuperset(details.partitioned_by):
        return details.partitioned_by[0]
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
