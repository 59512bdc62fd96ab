"""A contract's target as tables for people, in Markdown: its columns, and what roles see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.model import Column, Contract
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.contract_to_spark_types import stored_type
from contracts.schemas.protection_in_words import protection_text, stated_by, undone_by
from contracts.schemas.roles_in_words import dictionary_roles

_HEADINGS = (
    "column", "meaning", "type", "stored as", "null", "made of", "by", "classification",
    "protection", "said by", "undone by",
)  # fmt: skip
_ROLE_HEADINGS = (
    "role", "meaning", "as it is stored", "otherwise", "not at all", "rows", "may decrypt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DictionaryColumn:
    """What there is to say of a target column.

    Attributes:
        name: The column.
        meaning: What it means.
        type: The type of its clear value, as the contract writes it.
        stored_as: The Spark SQL type in the table.
        nullable: Whether it may be null.
        made_of: The source columns.
        logic: What is done with them.
        classification: Its own classification.
        protection: How it is protected; empty where it is stored in the clear.
        said_by: Whose word the protection is.
        undone_by: Who can get the clear value from what is stored.
    """

    name: str
    meaning: str
    type: str
    stored_as: str
    nullable: bool
    made_of: tuple[str, ...]
    logic: str
    classification: str
    protection: str
    said_by: str
    undone_by: str


def dictionary_columns(contract: Contract) -> tuple[DictionaryColumn, ...]:
    """The target's columns, in the contract's order."""
    return tuple(
        DictionaryColumn(
            name=column.name,
            meaning=column.description,
            type=column.physical_type or column.type,
            stored_as=stored_type(column).simpleString(),
            nullable=column.nullable,
            made_of=column.sources,
            logic=_logic(column),
            classification=str(column.classification),
            protection=protection_text(column),
            said_by=stated_by(column),
            undone_by=undone_by(column),
        )
        for column in contract.columns
    )


def data_dictionary(contract: Contract) -> str:
    """The target as Markdown tables: one row per column, and one per role if there are any."""
    rows = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    for column in dictionary_columns(contract):
        cells = (
            f"`{column.name}`",
            column.meaning,
            column.type,
            column.stored_as,
            "yes" if column.nullable else "no",
            ", ".join(f"`{name}`" for name in column.made_of),
            column.logic,
            column.classification,
            column.protection,
            column.said_by,
            column.undone_by,
        )
        rows.append(_row(cells))
    title = f"# {contract.target}\n\n{contract.description.strip()}\n\n"
    origin = f"Version {contract.version}, from `{contract.source.relation}`, owned by "
    columns = "\n".join(rows) + "\n"
    return f"{title}{origin}{contract.owner}.\n\n{columns}{_roles(contract)}"


def _roles(contract: Contract) -> str:
    roles = dictionary_roles(contract)
    if not roles:
        return ""
    rows = [_row(_ROLE_HEADINGS), _row(["---"] * len(_ROLE_HEADINGS))]
    for role in roles:
        cells = (
            f"`{role.name}`",
            role.description,
            *(", ".join(each) for each in (role.stored, role.altered, role.hidden)),
            role.rows,
            ", ".join(role.decrypt),
        )
        rows.append(_row(cells))
    return "\n## What roles see\n\n" + "\n".join(rows) + "\n"


def _logic(column: Column) -> str:
    signature = TRANSFORMATIONS[column.transformation.name]
    given = ", ".join(
        f"{name} = {_text(value)}" for name, value in column.transformation.arguments.items()
    )
    return f"{signature.description} ({given})" if given else signature.description


def _row(cells: Iterable[str]) -> str:
    plain = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(plain)} |"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{code} → {meaning}" for code, meaning in value.items())
    return str(value)
