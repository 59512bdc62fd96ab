"""The contract of a case, with keys that the build supports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from benchmarks.load.case import Case

__all__ = ["CONNECTION", "contract_document", "target", "write_contract"]

CONNECTION = "source_db_conn"
_NAMESPACE = "bench"

_TRACKED = ("name", "city", "email", "balance", "rate", "born_on", "active")
# Name, type, whether it is required, and its transformation.
_READ = (
    ("id", "BIGINT", True, "direct"),
    ("name", "VARCHAR(60)", True, "trim"),
    ("city", "VARCHAR(40)", False, "trim"),
    ("email", "VARCHAR(120)", True, "trim"),
    ("balance", "DECIMAL(12,2)", True, "direct"),
    ("rate", "DECIMAL(9,4)", False, "direct"),
    ("born_on", "DATE", True, "direct"),
    ("active", "BOOLEAN", True, "direct"),
    ("created_at", "TIMESTAMP", True, "direct"),
)
_STAMP = "updated_at"
_FILLED = (
    ("surrogate_key", "BIGINT", True, "surrogate_key"),
    (_STAMP, "TIMESTAMP", True, "sequence"),
    ("valid_from", "TIMESTAMP", True, "valid_from"),
    ("valid_to", "TIMESTAMP", False, "valid_to"),
    ("is_current", "BOOLEAN", True, "is_current"),
    ("fingerprint", "VARCHAR(64)", False, "fingerprint"),
    ("batch_id", "VARCHAR(100)", False, "batch_id"),
    ("recorded_at", "TIMESTAMP", True, "recorded_at"),
    ("score", "DECIMAL(5,2)", False, "row_score"),
)
_CONFIDENTIAL = {"email"}


def target(case: Case) -> str:
    """The history's name within its catalog."""
    return f"{_NAMESPACE}.{case.name}"


def write_contract(directory: Path, case: Case, *, says_kind: bool) -> None:
    """Write the contract's file; see `contract_document`."""
    directory.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(contract_document(case, says_kind=says_kind), sort_keys=False)
    (directory / f"{case.name}.yaml").write_text(text, encoding="utf-8")


def contract_document(case: Case, *, says_kind: bool) -> dict[str, Any]:
    """The contract as a document of the standard.

    Args:
        case: What is loaded, and how.
        says_kind: Whether it has `kind: state` for its source (one row per key, as it is now). A
            build from before this key was introduced refuses it.
    """
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": case.name,
        "name": case.name,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": "What each account was like, from when to when."},
        "team": {"name": "Benchmarks"},
        "servers": [{"server": CONNECTION, "type": "custom"}],
        "schema": [
            {
                "name": case.name,
                "physicalName": target(case),
                "logicalType": "object",
                "properties": [*map(_read, _READ), *map(_filled, _FILLED)],
                "quality": _checks(),
            }
        ],
        "customProperties": [
            {
                "property": "strandline",
                "value": {
                    "history": {
                        "key": ["id"],
                        "tracked": list(_TRACKED),
                        "absent": "close" if case.deletes else "keep",
                    },
                    "source": _source(case, says_kind=says_kind),
                },
            }
        ],
    }


def _source(case: Case, *, says_kind: bool) -> dict[str, Any]:
    return {
        **({"kind": "state"} if says_kind else {}),
        "connection": CONNECTION,
        "schema": "bench",
        "table": "accounts",
        "load": case.kind,
        "sequence": [_STAMP],
        "watermark": [_STAMP],
        "partition_column": "created_at",
        "columns": [
            {
                "name": name,
                "physicalType": kind,
                "required": required,
                "classification": "CONFIDENTIAL" if name in _CONFIDENTIAL else "INTERNAL",
            }
            for name, kind, required, _ in (*_READ, (_STAMP, "TIMESTAMP", True, ""))
        ],
    }


def _read(column: tuple[str, str, bool, str]) -> dict[str, Any]:
    name, kind, required, transformation = column
    own: dict[str, Any] = {"transformation": {"name": transformation}}
    if name in _CONFIDENTIAL:
        own["protection"] = {"kind": "pseudonymise"}
    return {
        **_property(name, kind, own, required=required),
        "classification": "CONFIDENTIAL" if name in _CONFIDENTIAL else "INTERNAL",
        "transformSourceObjects": [f"accounts.{name}"],
    }


def _filled(column: tuple[str, str, bool, str]) -> dict[str, Any]:
    name, kind, required, transformation = column
    return _property(name, kind, {"transformation": {"name": transformation}}, required=required)


def _property(name: str, kind: str, own: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"The {name.replace('_', ' ')}.",
        "physicalType": kind,
        "required": required,
        "customProperties": [{"property": "strandline", "value": own}],
    }


def _checks() -> list[dict[str, Any]]:
    return [
        _check("id_required", {"rule": "required", "columns": ["id"]}),
        _check("name_not_blank", {"rule": "not_blank", "columns": ["name"]}),
        _check("email_not_blank", {"rule": "not_blank", "columns": ["email"]}),
        _check(
            "balance_range",
            {"rule": "between", "columns": ["balance"], "arguments": {"low": 0, "high": 2_000_000}},
        ),
        _check(
            "email_form",
            {
                "rule": "matches",
                "columns": ["email"],
                "arguments": {"pattern": "^[^@ ]+@[^@ ]+$"},
            },
        ),
        _check("created_first", {"rule": "not_after", "columns": ["created_at", _STAMP]}),
    ]


def _check(name: str, implementation: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "type": "custom",
        "engine": "strandline",
        "severity": "error",
        "implementation": implementation,
    }
