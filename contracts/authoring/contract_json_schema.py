"""The JSON Schema of a contract file, for editors: the standard's own, with what we add to it.

The words, types and defaults of our own keys are those of the model; the words beside them say in
one sentence what a key does.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import typing
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from typing import Any

from contracts.authoring.key_descriptions import DESCRIPTIONS
from contracts.model import (
    AboveLevel,
    AnomalySettings,
    Classification,
    ClosingLimit,
    Condition,
    History,
    Protection,
    ProtectionKind,
    QualityGate,
    RetentionRule,
    Role,
    RowRight,
    Source,
    SourceColumn,
)
from contracts.model.check_registry import RULES, STANDARD_RULES
from contracts.model.transformation_registry import TRANSFORMATIONS
from contracts.yaml_reading.yaml_section import NAMESPACE

__all__ = ["CONTRACT_SCHEMA", "SECTIONS", "contract_json_schema"]

CONTRACT_SCHEMA = "contract.schema.json"
"""The name of the file that editors read."""

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "uniqueItems": True}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_WEIGHT: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_SEVERITY: Schema = {"enum": ["error", "warning", "info"]}
_DURATION: Schema = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*[A-Za-z]+\s*$",
    "examples": ["1 hour", "30 days"],
}
_KINDS: Mapping[str, Schema] = {
    "text": _TEXT,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "scalar": _SCALAR,
    "list": {"type": "array", "items": _SCALAR, "minItems": 1},
    "mapping": {"type": "object", "additionalProperties": _SCALAR},
}
_AT_MOST: Schema = {
    "type": "object",
    "properties": {"percent": {"type": "number"}, "rows": {"type": "integer"}},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
_RENAMED = {"period": "to", "start": "from"}
"""What fields of the model are called in a file."""


def contract_json_schema() -> Schema:
    """The schema (JSON Schema 2019-09, as the standard's) of a table's contract."""
    file = resources.files("open_data_contract_standard").joinpath("schema.json")
    schema: Schema = json.loads(file.read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    for case in definitions["SchemaBaseProperty"]["allOf"]:
        # A column that says no logicalType would else meet the demands of each.
        if "if" in case:
            case["if"] = {"allOf": [case["if"]], "required": ["logicalType"]}
    schema["title"] = "A contract of Strandline (Open Data Contract Standard 3.1)"
    schema["required"] = [*schema["required"], "status", "description", "team", "schema"]
    schema["properties"]["description"] = {
        "allOf": [schema["properties"]["description"]],
        "required": ["purpose"],
    }
    for name, section in SECTIONS.items():
        definitions[_definition(name)] = section
    schema["properties"]["customProperties"] = _with_ours("of the contract")
    column = definitions["SchemaBaseProperty"]["properties"]
    column["customProperties"] = _with_ours("of a target column")
    column["classification"] = {**_enum(Classification), "description": "How sensitive it is."}
    definitions["Role"]["properties"]["customProperties"] = _with_ours("of a role")
    relationship = definitions["RelationshipBase"]["properties"]
    relationship["customProperties"] = _with_ours("of a relationship")
    custom = definitions["DataQualityCustom"]
    custom["properties"]["engine"] = {
        **custom["properties"]["engine"],
        "examples": [NAMESPACE],
    }
    custom["if"] = {"properties": {"engine": {"const": NAMESPACE}}}
    custom["then"] = {"properties": {"implementation": _reference("implementation of a check")}}
    return schema


def _with_ours(section: str) -> Schema:
    """Custom properties, of which that of our name has a value of our own form."""
    ours = {"properties": {"value": _reference(section)}}
    return {
        "type": "array",
        "items": {
            "allOf": [{"$ref": "#/$defs/CustomProperty"}],
            "if": {"properties": {"property": {"const": NAMESPACE}}, "required": ["property"]},
            "then": ours,
        },
    }


def _definition(name: str) -> str:
    return "Strandline." + name.replace(" ", "-")


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{_definition(name)}"}


def _section(name: str, kind: type, /, **others: Schema | None) -> Schema:
    """The section of a dataclass of the model; `others` are its keys of another form, or none."""
    hints = typing.get_type_hints(kind)
    properties: Schema = {}
    for field in dataclasses.fields(kind):
        key = _RENAMED.get(field.name, field.name)
        if key not in others:
            properties[key] = _of_type(hints[field.name]) | _default(field)
    properties |= {key: schema for key, schema in others.items() if schema is not None}
    return _object(name, properties)


def _object(name: str, properties: Mapping[str, Schema]) -> Schema:
    described = {
        key: {"description": DESCRIPTIONS[name][key], **schema} if "$ref" not in schema
        else {"description": DESCRIPTIONS[name][key], "allOf": [schema]}
        for key, schema in properties.items()
    }  # fmt: skip
    return {"type": "object", "properties": described, "additionalProperties": False}


def _default(field: dataclasses.Field[Any]) -> Schema:
    value = field.default
    if isinstance(value, bool | int | float | str) and value != "":
        return {"default": str(value) if isinstance(value, StrEnum) else value}
    return {}


def _of_type(hint: Any) -> Schema:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _of_type(parts[0])} if parts[0] is not str else _TEXTS
    if typing.get_origin(hint) is not None or type(None) in typing.get_args(hint):
        return _of_type(parts[0])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum(hint)
    return copy.deepcopy(_OF_PYTHON[hint])


def _enum(kind: type[StrEnum]) -> Schema:
    return {"enum": [str(member) for member in kind]}


_OF_PYTHON: Mapping[Any, Schema] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    Decimal: {"type": "number", "exclusiveMinimum": 0},
    timedelta: _DURATION,
    datetime: {"type": "string", "examples": ["9999-12-31T23:59:59"]},
    Condition: _reference("source.membership, source.ignore"),
    ClosingLimit: _reference("source.closing_limit"),
    AnomalySettings: _reference("quality.anomalies"),
}


def _transformation() -> Schema:
    """The name alone, or a mapping with the arguments of that transformation."""
    plain = [
        name for name, each in TRANSFORMATIONS.items() if not {*each.arguments} - each.optional
    ]
    cases = [
        {
            "title": name,
            "description": signature.description,
            "type": "object",
            "properties": {
                "name": {"const": name},
                "arguments": {
                    "type": "object",
                    "properties": {key: _KINDS[of] for key, of in signature.arguments.items()},
                    "required": sorted({*signature.arguments} - signature.optional),
                    "additionalProperties": False,
                },
            },
            "required": ["name", *(["arguments"] if name not in plain else [])],
            "additionalProperties": False,
        }
        for name, signature in TRANSFORMATIONS.items()
    ]
    return {"anyOf": [{"enum": plain}, *cases]}


def _protection() -> Schema:
    mapping = _section(
        "protection of a column, or of a rule",
        Protection,
        kind={"enum": [*map(str, ProtectionKind), "none"]},
        discloses={"enum": ["equality"]},
    )
    return {"anyOf": [_enum(ProtectionKind), mapping]}


_WORDED_RULES = [name for name in RULES if name not in STANDARD_RULES]
SECTIONS: Mapping[str, Schema] = {
    "of the contract": _object(
        "of the contract",
        {
            name: _reference(name)
            for name in ("source", "history", "quality", "access", "privacy")
        }
        | {"protection": _reference("protection of the contract")},
    ),
    "source": _section("source", Source, columns={
        "type": "array", "items": _reference("source.columns"),
    }),
    "source.columns": _section(
        "source.columns", SourceColumn, type=None, nullable=None,
        physicalType=_TEXT, required={"type": "boolean", "default": False},
    ) | {"required": ["name"]},
    "source.membership, source.ignore": _section(
        "source.membership, source.ignore", Condition,
        values={"type": "array", "items": _SCALAR, "minItems": 1},
    ) | {"required": ["column", "operator"]},
    "source.closing_limit": _section("source.closing_limit", ClosingLimit),
    "history": _section(
        "history", History, key=_TEXTS | {"minItems": 1},
        format_version={"enum": [2, 3], "default": 3},
    ),
    "quality": _section("quality", QualityGate),
    "quality.anomalies": _section(
        "quality.anomalies", AnomalySettings, severity=_SEVERITY | {"default": "warning"},
        features={"type": "array", "items": _reference("quality.anomalies.features")},
    ),
    "quality.anomalies.features": _object(
        "quality.anomalies.features", dict.fromkeys(("name", "column", "from", "to"), _TEXT)
    ),
    "access": _object("access", {"row_classification": _TEXT}),
    "privacy": _object("privacy", {
        "subject": _TEXTS,
        "subjectKeys": {"type": "boolean", "default": False},
        "retention": _reference("privacy.retention"),
    }),
    "privacy.retention": _section("privacy.retention", RetentionRule) | {"required": ["action"]},
    "of a role": _section(
        "of a role", Role, name=None, access=None, description=None,
        mask={"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        rows=_reference("rows of a role"), above=_enum(AboveLevel),
    ),
    "rows of a role": _section("rows of a role", RowRight),
    "of a target column": _object("of a target column", {
        "transformation": _reference("transformation"),
        "protection": _reference("protection of a column, or of a rule"),
        "lineage": {"type": "boolean", "default": False},
    }),
    "transformation": _transformation(),
    "protection of a column, or of a rule": _protection(),
    "protection of the contract": _object("protection of the contract", {
        str(each): _reference("protection of a column, or of a rule") for each in Classification
    }),
    "implementation of a check": _object("implementation of a check", {
        "rule": {"enum": _WORDED_RULES},
        "columns": _TEXTS,
        "arguments": {"type": "object"},
        "weight": _WEIGHT,
        "at_most": _AT_MOST,
    }) | {"required": ["rule"]},
    "of a relationship": _object("of a relationship", {
        "severity": _SEVERITY, "weight": _WEIGHT, "at_most": _AT_MOST,
        "relation": _TEXT, "connection": _TEXT,
    }),
}  # fmt: skip
"""Our own sections, by their names in docs/contract-keys.md."""
