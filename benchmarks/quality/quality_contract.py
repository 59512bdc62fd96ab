"""The contract of the source table with the rules as its checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.rules import Rule
from contracts.loader import load_contract
from contracts.model import Contract

__all__ = ["contract_of"]

_COLUMNS = (
    ("id", "BIGINT", True),
    ("customer", "VARCHAR(80)", False),
    ("email", "VARCHAR(120)", False),
    ("code", "VARCHAR(12)", False),
    ("status", "VARCHAR(12)", False),
    ("country", "VARCHAR(2)", False),
    ("amount", "DECIMAL(12,2)", False),
    ("quantity", "INT", False),
    ("rate", "DOUBLE", False),
    ("ordered_on", "DATE", False),
    ("created_at", "TIMESTAMP", False),
    ("shipped_at", "TIMESTAMP", False),
    ("updated_at", "TIMESTAMP", True),
)
_FILLED = (
    ("updated_at", "TIMESTAMP", True, "sequence"),
    ("surrogate_key", "BIGINT", True, "surrogate_key"),
    ("valid_from", "TIMESTAMP", True, "valid_from"),
    ("valid_to", "TIMESTAMP", False, "valid_to"),
    ("is_current", "BOOLEAN", True, "is_current"),
    ("recorded_at", "TIMESTAMP", True, "recorded_at"),
)


def contract_of(rules: Iterable[Rule], directory: Path) -> Contract:
    """Write the contract's file into the directory, and read it as a load would."""
    chosen = tuple(rules)
    path = directory / "orders.yaml"
    path.write_text(yaml.safe_dump(_document(chosen), sort_keys=False), encoding="utf-8")
    return load_contract(path)


def _document(rules: tuple[Rule, ...]) -> dict[str, Any]:
    filled = {name for name, *_ in _FILLED}
    direct = [
        {
            **_property(name, kind, "direct", required=required),
            "transformSourceObjects": [f"orders.{name}"],
            "quality": [_null_rate(rule) for rule in rules if _is_null_rate_of(rule, name)],
        }
        for name, kind, required in _COLUMNS
        if name not in filled
    ]
    for each in direct:
        if not each["quality"]:
            del each["quality"]
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "orders",
        "name": "orders",
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "What each order was like, from when to when."},
        "team": {"name": "Benchmarks"},
        "servers": [{"server": "source_db_conn", "type": "custom"}],
        "schema": [
            {
                "name": "orders",
                "physicalName": "bench.orders_history",
                "logicalType": "object",
                "properties": [
                    *direct,
                    *[_property(n, k, t, required=r) for n, k, r, t in _FILLED],
                ],
                "quality": [_check(rule) for rule in rules if rule.kind != "nulls"],
            }
        ],
        "customProperties": [{"property": "strandline", "value": _own_part()}],
    }


def _own_part() -> dict[str, Any]:
    return {
        "history": {"key": ["id"], "tracked": ["customer", "status"]},
        "source": {
            "kind": "state",
            "connection": "source_db_conn",
            "schema": "bench",
            "table": "orders",
            "load": "full",
            "sequence": ["updated_at"],
            "watermark": ["updated_at"],
            "columns": [
                {
                    "name": name,
                    "physicalType": kind,
                    "required": required,
                    "classification": "INTERNAL",
                }
                for name, kind, required in _COLUMNS
            ],
        },
    }


def _property(name: str, kind: str, transformation: str, *, required: bool) -> dict[str, Any]:
    own = {"transformation": {"name": transformation}}
    return {
        "name": name,
        "description": f"The {name.replace('_', ' ')}.",
        "physicalType": kind,
        "required": required,
        "classification": "INTERNAL",
        "customProperties": [{"property": "strandline", "value": own}],
    }


def _is_null_rate_of(rule: Rule, column: str) -> bool:
    return rule.kind == "nulls" and rule.column == column


def _null_rate(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "type": "library",
        "metric": "nullValues",
        "mustBeLessThan": rule.arguments["percent"],
        "unit": "percent",
        "severity": "warning",
    }


def _check(rule: Rule) -> dict[str, Any]:
    implementation: dict[str, Any] = {"rule": _NAMES.get(rule.kind, rule.kind)}
    implementation["columns"] = list(rule.columns)
    if arguments := _arguments(rule):
        implementation["arguments"] = arguments
    return {
        "id": rule.name,
        "type": "custom",
        "engine": "strandline",
        "severity": "error",
        "implementation": implementation,
    }


_NAMES: Mapping[str, str] = {"length": "max_length"}


def _arguments(rule: Rule) -> dict[str, Any]:
    if rule.kind == "length":
        return {"length": rule.arguments["max"]}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in rule.arguments.items()
    }
