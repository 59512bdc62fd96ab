"""What a contract means, with nothing left out: each column with its type, source and history.

Promise: the full form is a contract of its own, which is read as the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from contracts.authoring.yaml_layout import mapping_lines
from contracts.loader.complete_contract import complete, ours, with_ours
from contracts.model import Column, Contract, SourceColumn
from contracts.model.database_type_names import family

__all__ = ["full_document", "full_text"]

_WORDED = {
    "string": "TEXT", "int": "INTEGER", "float": "REAL", "double": "DOUBLE PRECISION",
    "binary": "BYTEA",
}  # fmt: skip
_LOGICAL = ("string", "integer", "number", "boolean", "date", "timestamp")


def full_text(document: Mapping[str, object], contract: Contract) -> str:
    """The full form as the text of a file."""
    full = full_document(document, contract)
    return "".join(f"{line}\n" for line in mapping_lines(full, ""))


def full_document(document: Mapping[str, object], contract: Contract) -> Mapping[str, object]:
    """The full form of a contract.

    Args:
        document: Its file as YAML gives it, without problems.
        contract: The contract that was loaded from it.
    """
    completed = complete(document).document
    extension, (relation, *_) = ours(completed) or {}, _mappings(completed["schema"])
    said = _mappings(relation["properties"])
    properties = [
        _property(column, said[position] if position < len(said) else {})
        for position, column in enumerate(contract.columns)
    ]
    full = {
        **extension,
        "history": _history(contract, _mapping(extension.get("history"))),
        "source": _source(contract, _mapping(extension.get("source"))),
    }
    head = {key: completed[key] for key in ("apiVersion", "kind", "id") if key in completed}
    return {
        **head,
        "name": contract.name,
        **{key: value for key, value in completed.items() if key not in head},
        "schema": [{**relation, "properties": properties}],
        "customProperties": with_ours(completed, full),
    }


def _property(column: Column, said: Mapping[str, object]) -> Mapping[str, object]:
    physical = column.physical_type or worded_type(column.type)
    logical = family(column.type)
    full: dict[str, object] = {"name": column.name, "description": column.description}
    if logical in _LOGICAL:
        full["logicalType"] = said.get("logicalType", logical)
    full |= {
        "physicalType": physical,
        "required": not column.nullable,
        "classification": str(column.classification),
    }
    full |= {key: value for key, value in said.items() if key not in full}
    if column.sources:
        full["transformSourceObjects"] = said.get("transformSourceObjects", [*column.sources])
    how: dict[str, object] = {"name": column.transformation.name}
    if column.transformation.arguments:
        how["arguments"] = {
            name: [*value] if isinstance(value, tuple) else value
            for name, value in column.transformation.arguments.items()
        }
    full["customProperties"] = with_ours(said, {**(ours(said) or {}), "transformation": how})
    return full


def _history(contract: Contract, said: Mapping[str, object]) -> Mapping[str, object]:
    history = contract.history
    return {
        "key": [*contract.key],
        "tracked": [*history.tracked],
        "absent": str(history.absent),
        "remember_unchanged": history.remember_unchanged,
        "partitioning": [*history.partitioning],
        "format_version": history.format_version,
    } | {key: value for key, value in said.items() if key not in ("key", "tracked")}


def _source(contract: Contract, said: Mapping[str, object]) -> Mapping[str, object]:
    source = contract.source
    full: dict[str, object] = {
        "connection": source.connection,
        "schema": source.schema,
        "table": source.table,
    }
    if source.kind is not None:
        full["kind"] = str(source.kind)
    full |= {
        "load": str(source.load),
        "sequence": [*source.sequence],
        "watermark": [*source.watermark],
        "overlap": _words(source.overlap),
        "batch_size": source.batch_size,
        "retry_attempts": source.retry_attempts,
        "timeout_seconds": source.timeout_seconds,
        "may_be_empty": source.may_be_empty,
        "future_stamps": str(source.future_stamps),
        "closing_limit": {
            "percent": source.closing_limit.percent, "rows": source.closing_limit.rows,
        },
    }  # fmt: skip
    full |= {key: value for key, value in said.items() if key not in full}
    full["columns"] = [*_columns(source.columns, _mappings(said.get("columns")))]
    return full


def _columns(
    columns: Sequence[SourceColumn], said: Sequence[Mapping[str, object]]
) -> Iterator[Mapping[str, object]]:
    listed = {each.get("name"): each for each in said}
    for column in columns:
        full: dict[str, object] = {
            "name": column.name,
            "physicalType": worded_type(column.type),
            "required": not column.nullable,
            "classification": str(column.classification),
        }
        if column.description:
            full["description"] = column.description
        yield full | {**listed.get(column.name, {})}


def worded_type(spark: str) -> str:
    """A Spark type as a contract words it."""
    return _WORDED.get(spark, spark.upper())


def _words(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    for unit, of in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds and seconds % of == 0:
            number = seconds // of
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{seconds} s"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
