"""The closed registry of rules that a contract's checks may name.

Row rules check one source row, reference rules one row against another relation of the same
source, set rules the whole batch. A null passes every rule but `required`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Scope(StrEnum):
    """What a rule reads."""

    ROW = "row"
    REFERENCE = "reference"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Rule:
    """The signature of a rule.

    Attributes:
        scope: What it reads.
        columns: How many source columns it reads; None for one or more.
        arguments: The names of its arguments and the kind of each: 'text', 'integer',
            'number', 'list' or 'scalar'.
        optional: The arguments that may be omitted.
        description: One sentence, with the arguments in braces.
    """

    scope: Scope
    columns: int | None
    description: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "required": Rule(Scope.ROW, 1, "is not null"),
        "not_blank": Rule(Scope.ROW, 1, "has more than white space in it"),
        "max_length": Rule(Scope.ROW, 1, "has at most {length} characters", {"length": "integer"}),
        "in_set": Rule(Scope.ROW, 1, "is one of {values}", {"values": "list"}),
        "between": Rule(
            Scope.ROW,
            1,
            "lies between {low} and {high}, both included",
            {"low": "scalar", "high": "scalar"},
            frozenset({"low", "high"}),
        ),
        "matches": Rule(
            Scope.ROW, 1, "matches the regular expression {pattern}", {"pattern": "text"}
        ),
        "not_after": Rule(Scope.ROW, 2, "the first is not after the second"),
        "not_in_future": Rule(
            Scope.ROW,
            1,
            "is at most {tolerance_seconds} s after the time of extraction",
            {"tolerance_seconds": "number"},
            frozenset({"tolerance_seconds"}),
        ),
        "references": Rule(
            Scope.REFERENCE,
            1,
            "occurs in {relation}.{column}",
            {"relation": "text", "column": "text"},
        ),
        "unique": Rule(Scope.SET, None, "no two rows of the batch agree in all of them"),
    }
)
"""By name. `between` needs at least one of its bounds."""
