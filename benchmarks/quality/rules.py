"""The rules that every subject checks, and the same rules as conditions of PostgreSQL.

A null passes every rule but `required` and `nulls`. Only the standard library is imported: each
subject translates the rules to its own form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["AS_OF", "KEY", "RULES", "Rule", "more_rules"]

Kind = Literal[
    "required", "length", "not_blank", "matches", "in_set", "between", "not_after",
    "not_in_future", "condition", "nulls",
]  # fmt: skip

KEY = "id"
AS_OF = datetime(2060, 1, 1, tzinfo=UTC)
"""No row may have been created later."""

STATUSES = ("new", "paid", "shipped", "closed")
COUNTRIES = ("DE", "FR", "US", "GB", "NL", "IT", "ES", "AT")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule about a row.

    Attributes:
        name: Unique among the rules.
        kind: What it demands. `nulls` is the share of nulls in a column, with a limit over the
            batch: its rows are counted, and none of them is wrong by itself.
        columns: The columns it reads.
        sql: Whether a row breaks it, in PostgreSQL.
        arguments: `max`, `pattern`, `values`, `low` and `high`, `when` and `then`, or `percent`.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    sql: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def column(self) -> str:
        """The first column."""
        return self.columns[0]


def _required(column: str) -> Rule:
    return Rule(f"{column}_required", "required", (column,), f"{column} IS NULL")


def _length(name: str, column: str, most: int) -> Rule:
    return Rule(name, "length", (column,), f"char_length({column}) > {most}", {"max": most})


def _matches(name: str, column: str, pattern: str) -> Rule:
    sql = f"{column} !~ '^(?:{pattern})$'"
    return Rule(name, "matches", (column,), sql, {"pattern": pattern})


def _in_set(name: str, column: str, values: tuple[str, ...]) -> Rule:
    listed = ", ".join(f"'{value}'" for value in values)
    return Rule(name, "in_set", (column,), f"{column} NOT IN ({listed})", {"values": values})


def _between(name: str, column: str, low: int, high: int) -> Rule:
    sql = f"{column} NOT BETWEEN {low} AND {high}"
    return Rule(name, "between", (column,), sql, {"low": low, "high": high})


def _not_after(name: str, first: str, second: str) -> Rule:
    return Rule(name, "not_after", (first, second), f"{first} > {second}")


def _nulls(column: str, percent: int) -> Rule:
    return Rule(f"{column}_nulls", "nulls", (column,), f"{column} IS NULL", {"percent": percent})


_EMAIL = r"[^@ ]+@[^@ ]+\.[a-z]{2,}"
_CODE = "[A-Z]{3}-[0-9]{4}"

RULES: tuple[Rule, ...] = (
    _required("customer"),
    _length("customer_length", "customer", 40),
    Rule("customer_not_blank", "not_blank", ("customer",), r"customer ~ '^\s*$'"),
    _matches("email_form", "email", _EMAIL),
    _matches("code_form", "code", _CODE),
    _in_set("status_listed", "status", STATUSES),
    _in_set("country_listed", "country", COUNTRIES),
    _between("amount_range", "amount", 0, 1_000_000),
    _between("quantity_range", "quantity", 1, 1_000),
    _between("rate_range", "rate", 0, 1),
    _not_after("created_before_updated", "created_at", "updated_at"),
    _not_after("created_before_shipped", "created_at", "shipped_at"),
    Rule(
        "created_not_ahead",
        "not_in_future",
        ("created_at",),
        f"created_at > timestamp '{AS_OF:%Y-%m-%d %H:%M:%S}'",
    ),
    Rule(
        "shipped_has_an_instant",
        "condition",
        ("status", "shipped_at"),
        "status = 'shipped' AND shipped_at IS NULL",
        {"when": "status = 'shipped'", "then": "shipped_at IS NOT NULL"},
    ),
    _nulls("quantity", 5),
    _nulls("email", 5),
    _nulls("shipped_at", 60),
)


def more_rules(count: int) -> tuple[Rule, ...]:
    """So many different rules, in the same mixture of kinds, and no two that say the same."""
    made = []
    for number in range(count):
        again, place = divmod(number, len(_MIXTURE))
        made.append(_MIXTURE[place](f"rule_{number}", again))
    return tuple(made)


def _numbered(rule: Rule, name: str) -> Rule:
    return Rule(name, rule.kind, rule.columns, rule.sql, rule.arguments)


_ALL = ("customer", "email", "code", "status", "country", "amount", "quantity", "rate")
_MIXTURE = (
    lambda name, again: _numbered(_required(_ALL[again % len(_ALL)]), name),
    lambda name, again: _length(name, "customer", 40 + again),
    lambda name, again: _matches(name, "email", rf"[^@ ]+@[^@ ]+\.[a-z]{{2,{5 + again}}}"),
    lambda name, again: _matches(name, "code", f"[A-Z]{{3}}-[0-9]{{4,{4 + again}}}"),
    lambda name, again: _in_set(name, "status", (*STATUSES, f"state {again}")),
    lambda name, again: _in_set(name, "country", (*COUNTRIES, f"{again:02}")),
    lambda name, again: _between(name, "amount", 0, 1_000_000 + again),
    lambda name, again: _between(name, "quantity", 1, 1_000 + again),
    lambda name, again: _between(name, "rate", 0, 1 + again),
    lambda name, again: _between(name, "id", 1, 10_000_000_000 + again),
)
