"""The kind of a source's rows: set in the contract, or derived by a rule that loses nothing.

A table is *state* (one row per key, as it is now) or *events* (a log: many rows per key, each a
change with its own sequence). Taken for events, a state loses the changes that its stamps do not
show; taken for a state, a log loses its past. So a contract without a kind gets the kind its target
was loaded as before, else the one that the source's own catalog proves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from contracts.errors import ContractError
from contracts.model import Absence, Column, Contract, SourceKind, Transformation
from contracts.model.source_relation import Relation
from contracts.model.transformation_registry import TRANSFORMATIONS

__all__ = ["one_row_a_key", "source_kind_reason", "with_read_at", "with_source_kind"]

_READ_AT = "read_at"
_KINDS = tuple(str(kind) for kind in SourceKind)


def with_source_kind(
    contract: Contract, relation: Relation | None, recorded: str | None
) -> Contract:
    """The contract with its source's kind set, and for a state with its column `read_at`.

    Args:
        contract: As it was loaded; a kind that it has stays.
        relation: The source as its catalog describes it; None: not known.
        recorded: The kind the target was loaded as before; None: not loaded, or not recorded.

    Raises:
        ContractError: It closes absent keys, and its source can't be taken for a state.
    """
    kind = contract.source.kind or _derived_kind(contract, relation, recorded)[0]
    if kind is SourceKind.EVENTS and contract.history.absent is Absence.CLOSE:
        raise ContractError(
            where=contract.name,
            expected="a log of changes whose keys end by a change, or a state to close them in",
            found="`absent: close` for a source whose versions do not start at timestamps",
            next_step="Say `kind: state` of the source and make valid_from and valid_to "
            "timestamps, or say `absent: keep`. Nothing was read.",
        )
    settled = replace(contract, source=replace(contract.source, kind=kind))
    return with_read_at(settled) if kind is SourceKind.STATE else settled


def source_kind_reason(contract: Contract, relation: Relation | None, recorded: str | None) -> str:
    """Why `with_source_kind` chose its kind; empty where the contract has a kind."""
    if contract.source.kind is not None:
        return ""
    return _derived_kind(contract, relation, recorded)[1]


def one_row_a_key(contract: Contract, relation: Relation) -> bool:
    """Whether a unique key of the source excludes two rows with one key of the contract."""
    columns = {column.name: column for column in contract.columns}
    key = [columns[name] for name in contract.key if name in columns]
    sources = {
        name for column in key if column.transformation.name == "direct" for name in column.sources
    }
    return any(unique and {*unique} <= sources for unique in relation.unique_keys)


def with_read_at(contract: Contract) -> Contract:
    """The contract with a column that `read_at` fills, appended if it has none."""
    if contract.generated(_READ_AT) is not None:
        return contract
    taken = {column.name.lower() for column in contract.columns}
    name = next(name for name in _names() if name not in taken)
    column = Column(
        name=name,
        type="timestamp",
        nullable=True,
        transformation=Transformation(_READ_AT),
        physical_type="TIMESTAMP",
        description=TRANSFORMATIONS[_READ_AT].description + ".",
    )
    return replace(contract, columns=(*contract.columns, column))


def _derived_kind(
    contract: Contract, relation: Relation | None, recorded: str | None
) -> tuple[SourceKind, str]:
    start = contract.generated("valid_from")
    by_time = start is not None and start.type == "timestamp"
    if by_time and contract.history.absent is Absence.CLOSE:
        return SourceKind.STATE, "the contract closes what is absent, which no log says"
    if recorded in _KINDS:
        return SourceKind(recorded), "the table was loaded as such before"
    if contract.history.tie_breaker:
        return SourceKind.EVENTS, "the contract has a tie-breaker"
    if not by_time:
        return SourceKind.EVENTS, "its versions do not start at timestamps"
    if relation is None or not one_row_a_key(contract, relation):
        return SourceKind.EVENTS, "no unique key of the source says that it has one row a key"
    return SourceKind.STATE, "a unique key of the source says that it has one row a key"


def _names() -> Iterator[str]:
    yield _READ_AT
    yield f"_{_READ_AT}"
    yield from (f"_{_READ_AT}_{number}" for number in count(2))
