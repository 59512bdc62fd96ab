"""A proposed contract as values: what `propose_contract` decides and `contract_text` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.model import Classification
from contracts.model.source_relation import RelationDetails
from tasks.introspection.key_and_stamps import Key, Stamps
from tasks.introspection.suggest_classifications import Suggestion
from tasks.introspection.target_names import free_name
from tasks.introspection.translate_checks import ColumnPromise

__all__ = ["ContractNames", "KnownHistory", "LeftOut", "Proposal", "ProposedColumn"]


@dataclass(frozen=True, slots=True)
class ContractNames:
    """What a contract is called: itself, its block, and its target."""

    contract: str
    connection: str
    namespace: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHistory:
    """What is known of a table because a history of it exists, kept by another tool.

    Attributes:
        origin: The history, in words.
        columns: The source columns that it has.
        key: What identifies a record in it.
        stamp: The source column that dates changes; None: nothing does.
        nullable: The columns that are null in some of its versions.
        closes_absent: It closes a record that is gone.
        notes: What there is to say about it.
    """

    origin: str
    columns: frozenset[str]
    key: tuple[str, ...]
    stamp: str | None
    nullable: frozenset[str]
    closes_absent: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column of the source that the contract does not have, and why, and what can be done."""

    name: str
    declared: str
    why: str


@dataclass(frozen=True, slots=True)
class ProposedColumn:
    """One column, in the source and in the target.

    Attributes:
        source: Its name in the source.
        target: Its name in the target.
        declared: Its type as the source declares it.
        type: Its type as the contract words it, in both.
        required: It is never null.
        description: From the source's comment; empty without one.
        suggestion: How sensitive it may be, and why.
        sensitive: How sensitive it is with what it is made of; None: it may lie in the clear.
        promise: What the source's constraints promise of its values.
        reference: The history column that it refers to, as `to` of a relationship.
        later: The same, of a table that has no contract yet.
        notes: What there is to say, in words.
        decisions: What there is to decide, in words.
    """

    source: str
    target: str
    declared: str
    type: str
    required: bool
    description: str
    suggestion: Suggestion
    sensitive: Classification | None
    promise: ColumnPromise | None
    reference: str
    later: str
    notes: tuple[str, ...]
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """The parts of a contract.

    Attributes:
        names: What it is called.
        details: The table.
        rows: How many rows it has, about; None: not known.
        columns: Its columns, those of the target in the source's order.
        left_out: The columns that it does not have.
        key: What identifies a row.
        events: Its rows are changes; else they are states.
        stamps: What dates its changes.
        stamp_type: The type of the target's column that has the stamp.
        copied_stamp: The source column that the target has as its stamp alone.
        incremental: A load begins at the watermark.
        partition_column: What prunes the read, or splits that of a view; None: nothing does.
        subject: The target columns that name the person whom a row is about; none: the key does, or
            nobody is known.
        tracked: The target columns whose change opens a version; none: the key's presence does.
        conditions: By check, the condition.
        untranslated: The constraints that were not translated.
        slices: Its database can be read by several sessions side by side, and tells what is open.
        decisions: What there is to decide about the table, in words.
        notes: What there is to say about it.
        history: The history that another tool kept of the table; None: there is none.
    """

    names: ContractNames
    details: RelationDetails
    rows: int | None
    columns: tuple[ProposedColumn, ...]
    left_out: tuple[LeftOut, ...]
    key: Key
    events: bool
    stamps: Stamps
    stamp_type: str
    copied_stamp: str
    incremental: bool
    partition_column: str | None
    subject: tuple[str, ...]
    tracked: tuple[str, ...]
    conditions: Mapping[str, str]
    untranslated: tuple[str, ...]
    slices: bool
    decisions: Mapping[str, str]
    notes: tuple[str, ...]
    history: KnownHistory | None = None

    def generated_name(self, name: str) -> str:
        """The name of a column that Strandline fills, which no column of the source has."""
        return free_name(name, {column.target.lower() for column in self.columns})

    def target_of(self, source: str) -> str:
        """The target's name of a source column."""
        return next(column.target for column in self.columns if column.source == source)
