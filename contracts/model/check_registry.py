"""The closed registry of rules that a contract's checks may name.

Row rules check one row, reference rules one row against another table, set rules the rows of a
batch against each other, batch rules a figure of the whole batch. A null passes every row rule but
`required` and those that count nulls.
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
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Rule:
    """The signature of a rule.

    Attributes:
        scope: What it reads.
        columns: How many columns it reads, 0 for none; None for one or more.
        arguments: The names of its arguments and the kind of each: 'text', 'integer',
            'number', 'list' or 'scalar'.
        optional: The arguments that may be omitted.
        defaults: The values of optional arguments that are omitted.
        description: One sentence, with the arguments in braces.
    """

    scope: Scope
    columns: int | None
    description: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    defaults: Mapping[str, float | int] = field(default_factory=dict)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "required": Rule(Scope.ROW, 1, "is not null"),
        "not_blank": Rule(Scope.ROW, 1, "has more than white space in it"),
        "max_length": Rule(Scope.ROW, 1, "has at most {length} characters", {"length": "integer"}),
        "length": Rule(
            Scope.ROW,
            1,
            "has from {min} to {max} characters",
            {"min": "integer", "max": "integer"},
            frozenset({"min", "max"}),
        ),
        "type": Rule(Scope.ROW, 1, "is text that can be read as {type}", {"type": "text"}),
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
        "condition": Rule(
            Scope.ROW,
            None,
            "{then} is not false where {when} is true",
            {"then": "text", "when": "text"},
            frozenset({"when"}),
        ),
        "references": Rule(
            Scope.REFERENCE,
            1,
            "occurs in {column} of {relation}, or of the history {history}",
            {"relation": "text", "history": "text", "column": "text", "connection": "text"},
            frozenset({"relation", "history", "connection"}),
        ),
        "unique": Rule(Scope.SET, None, "no two rows of the batch agree in all of them"),
        "volume": Rule(
            Scope.BATCH,
            0,
            "the number of rows is within {percent}% of the median of the last {runs} loads",
            {"percent": "number", "runs": "integer"},
            frozenset({"runs"}),
            {"runs": 10},
        ),
        "drift": Rule(
            Scope.BATCH,
            None,
            "nulls, distinct values and quantiles are as in the last {runs} published batches",
            {
                "nulls_percent_points": "number",
                "distinct_percent": "number",
                "quantile_tolerance": "number",
                "runs": "integer",
            },
            frozenset({"nulls_percent_points", "distinct_percent", "quantile_tolerance", "runs"}),
            {
                "nulls_percent_points": 5.0,
                "distinct_percent": 50.0,
                "quantile_tolerance": 0.25,
                "runs": 10,
            },
        ),
        "completeness": Rule(Scope.BATCH, 0, "the source counts as many rows as were read"),
        "null_values": Rule(Scope.ROW, 1, "is not null"),
        "missing_values": Rule(Scope.ROW, 1, "is none of {values}", {"values": "list"}),
        "invalid_values": Rule(
            Scope.ROW,
            1,
            "is one of {values} and matches the regular expression {pattern}",
            {"values": "list", "pattern": "text"},
            frozenset({"values", "pattern"}),
        ),
        "duplicate_values": Rule(Scope.SET, None, "no two rows of the batch agree in all of them"),
        "row_count": Rule(Scope.BATCH, 0, "the number of rows"),
        "sql": Rule(Scope.BATCH, None, "the figure {query}", {"query": "text"}),
    }
)
"""By name. `between` and `length` need at least one of their bounds, `references` one of `relation`
and `history`. The last six are the metrics of the standard; they look at target columns and always
have a limit."""

METRICS = {
    "nullValues": "null_values",
    "missingValues": "missing_values",
    "invalidValues": "invalid_values",
    "duplicateValues": "duplicate_values",
    "rowCount": "row_count",
}
"""The standard's names of its metrics, and the rules they are."""

STANDARD_RULES = frozenset({*METRICS.values(), "sql"})
"""Rules that a contract names in the standard's way, never under `implementation`."""
