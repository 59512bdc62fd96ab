"""A contract's target as a table for people, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from contracts.model import Column, Contract
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.contract_to_spark_types import stored_type
from contracts.schemas.spark_schemas import protection_text

_HEADINGS = (
    "column", "meaning", "type", "stored as", "null", "made of", "by", "classification",
    "protection",
)  # fmt: skip


def data_dictionary(contract: Contract) -> str:
    """The target as a Markdown table, one row per column, for people."""
    rows = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    for column in contract.columns:
        cells = (
            f"`{column.name}`",
            column.description,
            column.physical_type or column.type,
            stored_type(column).simpleString(),
            "yes" if column.nullable else "no",
            ", ".join(f"`{name}`" for name in column.sources),
            _logic(column),
            str(column.classification),
            protection_text(column),
        )
        rows.append(_row(cells))
    title = f"# {contract.target}\n\n{contract.description.strip()}\n\n"
    origin = f"Version {contract.version}, from `{contract.source.relation}`, owned by "
    return f"{title}{origin}{contract.owner}.\n\n" + "\n".join(rows) + "\n"


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
