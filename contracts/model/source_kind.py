"""What a source's rows are: said by the contract, or found out by a rule that loses nothing.

A table is *state* (one row a key, as it is now) or *events* (a log: many rows a key, each a change
with its own sequence). Taken for events, a state loses what its stamps do not tell; taken for a
state, a log loses its past. So a contract that does not say which goes by what its target was
loaded as before, else by what the source's own catalog proves.
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
_WORDS = tuple(str(kind) for kind in SourceKind)


def with_source_kind(
    contract: Contract, relation: Relation | None, recorded: str | None
) -> Contract:
    """The contract with its source's kind said, and of a state with its column `read_at`.

    Args:
        contract: As it was loaded; one that says its kind keeps it.
        relation: The source as its catalog describes it; None: not known.
        recorded: As what the target was loaded before; None: it was not, or does not say.

    Raises:
        ContractError: It closes what is absent, and its source can't be taken for a state.
    """
    kind = contract.source.kind or _taken(contract, relation, recorded)[0]
    if kind is SourceKind.EVENTS and contract.history.absent is Absence.CLOSE:
        raise ContractError(
            where=contract.name,
            expected="a log of changes whose keys end by a change, or a state to close them in",
            found="`absent: close` for a source whose versions do not start at timestamps",
            next_step="Say `kind: state` of the source and make valid_from and valid_to "
            "timestamps, or say `absent: keep`. Nothing was read.",
        )
    said = replace(contract, source=replace(contract.source, kind=kind))
    return with_read_at(said) if kind is SourceKind.STATE else said


def source_kind_reason(contract: Contract, relation: Relation | None, recorded: str | None) -> str:
    """Why `settled` takes the source for what it does; empty where the contract says its kind."""
    if contract.source.kind is not None:
        return ""
    return _taken(contract, relation, recorded)[1]


def one_row_a_key(contract: Contract, relation: Relation) -> bool:
    """Whether the source itself lets no two of its rows have one key of the contract."""
    columns = {column.name: column for column in contract.columns}
    key = [columns[name] for name in contract.key if name in columns]
    sources = {
        name for column in key if column.transformation.name == "direct" for name in column.sources
    }
    return any(unique and {*unique} <= sources for unique in relation.unique_keys)


def with_read_at(contract: Contract) -> Contract:
    """The contract with a column that is filled by `read_at`, at the end where it has none."""
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
        description=TRANSFORMATIONS[_READ_AT].says + ".",
    )
    return replace(contract, columns=(*contract.columns, column))


def _taken(
    contract: Contract, relation: Relation | None, recorded: str | None
) -> tuple[SourceKind, str]:
    start = contract.generated("valid_from")
    by_time = start is not None and start.type == "timestamp"
    if by_time and contract.history.absent is Absence.CLOSE:
        return SourceKind.STATE, "the contract closes what is absent, which no log says"
    if recorded in _WORDS:
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
