"""Contracts of small tables that are read as they are now, made from what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

_LOGICAL = {
    "INTEGER": "integer",
    "BIGINT": "integer",
    "SMALLINT": "integer",
    "DATE": "date",
    "DOUBLE": "number",
}
_GENERATED = {
    "surrogate_key": ("surrogate_key", "BIGINT", "integer", True),
    "read_at": ("read_at", "TIMESTAMP", "timestamp", True),
    "valid_from": ("valid_from", "TIMESTAMP", "timestamp", True),
    "valid_to": ("valid_to", "TIMESTAMP", "timestamp", False),
    "is_current": ("is_current", "BOOLEAN", "boolean", True),
    "row_hash": ("fingerprint", "VARCHAR(64)", "string", True),
}


def write_contract(
    folder: Path,
    name: str,
    columns: Mapping[str, str],
    source: Mapping[str, object],
    history: Mapping[str, object] | None = None,
    required: tuple[str, ...] = ("id",),
) -> None:
    """Write the contract `name` of the source table `public.<name>` into the folder.

    Args:
        folder: Where contracts lie.
        name: The contract, its source table unless the source section names another, and its
            target in the namespace `states`.
        columns: The source's columns that become columns of the target, with their types; `id` is
            the key, `updated_at` the sequence, the others are tracked.
        source: Words of the source section.
        history: Words of the history section.
        required: Columns that are promised not to be null.
    """
    table = source.get("table", name)
    told = [_generated("surrogate_key")]
    for column, kind in columns.items():
        if column == "updated_at":
            told.append(_property(column, kind, "sequence", required=column in required))
        else:
            own = _property(column, kind, "direct", required=column in required)
            told.append({**own, "transformSourceObjects": [f"{table}.{column}"]})
    told += [_generated(column) for column in _GENERATED if column != "surrogate_key"]
    tracked = [column for column in columns if column not in ("id", "updated_at")]
    extension = {
        "source": {
            "connection": "source_db_conn",
            "schema": "public",
            "table": name,
            "kind": "state",
            "sequence": ["updated_at"],
            "columns": [
                {"name": column, "physicalType": kind, "required": column in required}
                for column, kind in columns.items()
            ],
            **source,
        },
        "history": {"key": ["id"], "tracked": tracked, **(history or {})},
        "quality": {"threshold": 0, "refused_percent": 100},
    }
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "description": {"purpose": f"The states of {name}."},
        "team": {"name": "Tests", "description": "Own the load."},
        "schema": [
            {
                "name": name,
                "physicalName": f"states.{name}",
                "physicalType": "table",
                "logicalType": "object",
                "description": f"Versions of {name}.",
                "properties": told,
            }
        ],
        "customProperties": [{"property": "strandline", "value": extension}],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _generated(name: str) -> dict[str, object]:
    transformation, kind, logical, required = _GENERATED[name]
    told = _property(name, kind, transformation, required=required)
    return {**told, "logicalType": logical}


def _property(name: str, kind: str, transformation: str, *, required: bool) -> dict[str, object]:
    word = kind.split("(", maxsplit=1)[0]
    logical = _LOGICAL.get(word, "timestamp" if word == "TIMESTAMP" else "string")
    return {
        "name": name,
        "description": f"The {name}.",
        "logicalType": "number" if word == "NUMERIC" else logical,
        "physicalType": kind,
        "required": required,
        "classification": "INTERNAL",
        "customProperties": [
            {"property": "strandline", "value": {"transformation": {"name": transformation}}}
        ],
    }
