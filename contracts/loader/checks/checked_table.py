"""What the checks of a contract may name: the table, its columns, and those of the source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.model import Column, Severity, SourceColumn
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.problem_report import did_you_mean
from contracts.yaml_reading.yaml_section import Section

_ID = re.compile(r"^[A-Za-z0-9_-]+$")
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_DIMENSIONS = {
    "ac": "accuracy", "cp": "completeness", "cf": "conformity", "cs": "consistency",
    "cv": "coverage", "tm": "timeliness", "uq": "uniqueness",
}  # fmt: skip
_DIMENSION_OF = {
    "required": "completeness", "not_blank": "completeness", "not_after": "consistency",
    "not_in_future": "timeliness", "references": "consistency", "unique": "uniqueness",
    "condition": "consistency", "volume": "completeness", "completeness": "completeness",
    "drift": "consistency", "null_values": "completeness", "missing_values": "completeness",
    "duplicate_values": "uniqueness", "row_count": "completeness", "sql": "conformity",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """The table of a contract, as its checks see it.

    Attributes:
        relation: The section of the table.
        properties: The sections of its columns, in order.
        columns: The target columns, in the same order.
        source: The source's columns by name; None when the source could not be read.
        namespace: The namespace of the target.
        table: Its name there.
    """

    relation: Section
    properties: tuple[Section, ...]
    columns: tuple[Column, ...]
    source: Mapping[str, SourceColumn] | None
    namespace: str
    table: str

    @property
    def mapped(self) -> dict[str, str]:
        """The Spark types of the target columns that are made of source columns, by name."""
        return {each.name: each.type for each in self.columns if not is_generated(each)}

    @property
    def names(self) -> tuple[str, ...]:
        """What a query may call the table; its name in the lake comes first."""
        logical = self.relation.value.get("name")
        target = (self.table, f"{self.namespace}.{self.table}")
        return (*target, logical) if isinstance(logical, str) and logical else target


def is_generated(column: Column) -> bool:
    """Whether the column is made by Strandline and not from the source's rows."""
    signature = TRANSFORMATIONS.get(column.transformation.name)
    return signature is not None and signature.generated


class Word(StrEnum):
    """The standard's values for a severity. An error refuses the row, or stops the batch."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_SEVERITIES = {
    Word.ERROR: Severity.REFUSE,
    Word.WARNING: Severity.WARN,
    Word.INFO: Severity.WARN,
}


def read_severity(section: Section, default: Word = Word.ERROR) -> Severity:
    """What a failed check does."""
    return _SEVERITIES[section.choice("severity", Word, default=default) or default]


def read_identifier(entry: Section) -> str:
    """The id, which must be there."""
    identifier = entry.text("id")
    if identifier and not _ID.match(identifier):
        entry.problem("id", "may hold letters, digits, _ and - only")
    return identifier


def identifier_or(entry: Section, derived: str, taken: Collection[str]) -> str:
    """The id; without one, a name made of what the check is about, which no other check has."""
    if entry.has("id"):
        return read_identifier(entry)
    base = _NOT_IN_ID.sub("_", derived)
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def read_dimension(entry: Section, rule: str) -> str:
    """The standard's dimension of quality, by its name or its short name."""
    default = _DIMENSION_OF.get(rule, "conformity")
    dimension = entry.text("dimension", default=default)
    dimension = _DIMENSIONS.get(dimension, dimension)
    if dimension and dimension not in _DIMENSIONS.values():
        hint = did_you_mean(dimension, _DIMENSIONS.values())
        entry.problem("dimension", f"unknown dimension {dimension}", hint)
    return dimension or default
