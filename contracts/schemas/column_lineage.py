"""Which source columns each target column is made of, by what expression, and how it is protected.

The expressions are made from the contract's transformations, so they say what a load does. The
`transformLogic` that a contract may have besides is prose; where it reads like an expression it is
compared with these (`contradicts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from contracts.model import Column, Contract
from contracts.model.contract import Argument
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.schemas.protection_in_words import protection_text, undone_by


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Where one target column comes from.

    Attributes:
        column: The target column.
        sources: The source columns that its values are made of; none of what a run fills.
        expression: How, as an expression over them, or in words where the run fills it.
        transformation: The contract's name of the transformation.
        classification: How sensitive the contract says that it is.
        protection: How it is protected, in words; empty where it is not.
        undone_by: Who can get the clear value; empty where it is stored so.
        is_masked: Nothing of the source's value is readable in what is stored.
        is_tracked: Its change opens a version.
        is_key: It identifies the record.
    """

    column: str
    sources: tuple[str, ...]
    expression: str
    transformation: str
    classification: str
    protection: str
    undone_by: str
    is_masked: bool
    is_tracked: bool
    is_key: bool


def column_lineage(contract: Contract) -> tuple[ColumnLineage, ...]:
    """The lineage of each target column, in their order."""
    return tuple(_of_column(contract, column) for column in contract.columns)


def _of_column(contract: Contract, column: Column) -> ColumnLineage:
    return ColumnLineage(
        column=column.name,
        sources=sources_of(contract, column),
        expression=expression_of(contract, column),
        transformation=column.transformation.name,
        classification=str(column.classification),
        protection=protection_text(column),
        undone_by=undone_by(column),
        is_masked=column.protection is not None or column.transformation.name == "fingerprint",
        is_tracked=column.name in contract.history.tracked,
        is_key=column.name in contract.key,
    )


def sources_of(contract: Contract, column: Column) -> tuple[str, ...]:
    """The source columns that a target column is made of, also of one that the run fills."""
    name = column.transformation.name
    if name == "fingerprint":
        tracked = (contract.column(each) for each in contract.history.tracked)
        return tuple(dict.fromkeys(source for each in tracked for source in each.sources))
    if name in ("sequence", "valid_from", "valid_to"):
        return contract.source.sequence
    return column.sources


def expression_of(contract: Contract, column: Column) -> str:
    """How the values of a column are made, as SQL over source columns; else in words."""
    name = column.transformation.name
    if name == "sequence" and contract.source.sequence:
        return _coalesced(contract.source.sequence)
    if TRANSFORMATIONS[name].generated:
        return TRANSFORMATIONS[name].description
    arguments = column.transformation.arguments
    if name == "decode":
        return _decoded(column.sources[0], arguments)
    values = {argument: _literal(value) for argument, value in arguments.items()}
    given = {"all": ", ".join(column.sources), "first": next(iter(column.sources), "")}
    return _EXPRESSIONS[name].format(**given, **values)


_EXPRESSIONS: Mapping[str, str] = MappingProxyType(
    {
        "direct": "{first}",
        "trim": "NULLIF(TRIM({first}), '')",
        "upper_trim": "UPPER(TRIM({first}))",
        "trim_or_default": "COALESCE(TRIM({first}), {default})",
        "default_if_null": "COALESCE({first}, {default})",
        "round_within": "CASE WHEN {first} BETWEEN {low} AND {high} "
        "THEN ROUND({first}, {scale}) END",
        "first_present": "COALESCE({all})",
        "literal": "{value}",
    }
)


def _decoded(source: str, arguments: Mapping[str, Argument]) -> str:
    codes = arguments["codes"]
    pairs = codes.items() if isinstance(codes, Mapping) else ()
    cases = " ".join(f"WHEN {_literal(code)} THEN {_literal(to)}" for code, to in pairs)
    return f"CASE {source} {cases} ELSE {_literal(arguments['otherwise'])} END"


def contradicts(contract: Contract, column: Column) -> bool:
    """Whether a column's `transformLogic` reads like an expression and says something else.

    It reads so if it is the name of a source column, or has a bracket and one. What it leaves out
    (`TRIM(a)`, where a text without anything in it also becomes null) is no contradiction: its
    functions have to be among those of the expression, in their order, over the same columns.
    """
    stated = column.transform_logic
    if TRANSFORMATIONS[column.transformation.name].generated:
        return False
    known = {each.name.lower() for each in contract.source.columns}
    said, done = _words(stated), _words(expression_of(contract, column))
    names = {word for word in said if word in known}
    if not names or not ("(" in stated or stated.strip().lower() in known):
        return False
    functions = [word for word in said if word in _FUNCTIONS]
    made_by = [word for word in done if word in _FUNCTIONS]
    return names != {name.lower() for name in column.sources} or not _is_part(functions, made_by)


_FUNCTIONS = frozenset(
    {"upper", "lower", "initcap", "trim", "coalesce", "nullif", "round", "case", "concat", "substr"}
)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z_][a-z_0-9]*", text.lower())


def _is_part(some: list[str], whole: list[str]) -> bool:
    """Whether the one list is the other with words left out."""
    rest = iter(whole)
    return all(word in rest for word in some)


def _coalesced(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"COALESCE({', '.join(names)})"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float | Decimal):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
