"""The JSON Schema of a block file, for editors: the fields of each block type, by its model.

A field's value may also be `{env: NAME}` or `{file: PATH}`, and a block in a block its name.
"""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from pydantic.fields import FieldInfo

from blocks.lookup.local_block_file import TYPES, block_type_of

__all__ = ["BLOCK_FILE_SCHEMA", "block_file_schema"]

BLOCK_FILE_SCHEMA = "blocks.schema.json"
"""The name of the file that editors read."""

Schema = dict[str, Any]

_ELSEWHERE = "value-from-elsewhere"
_ABOUT = ("title", "description", "default")
_OF_PREFECT = frozenset(
    {"position", "block_type_slug", "block_schema_references", "secret_fields", "title"}
)


def block_file_schema() -> Schema:
    """The schema (JSON Schema 2020-12) of a block file."""
    definitions: Schema = {_ELSEWHERE: _elsewhere()}
    for name, kind in TYPES.items():
        _add_type(name, kind, definitions)
    types = {
        name: {
            "type": "object",
            "description": definitions[name]["description"],
            "additionalProperties": {"$ref": f"#/$defs/{name}"},
        }
        for name in TYPES
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The blocks of Strandline",
        "description": "By type and name: where databases, Spark, the lakehouse and keys are.",
        "type": "object",
        "properties": types,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _add_type(name: str, kind: type[Block], definitions: Schema) -> None:
    schema: Schema = kind.model_json_schema(ref_template="#/$defs/{model}")
    blocks = {each.__name__ for each in TYPES.values()}
    # Prefect keeps them under the older name.
    parts = {**schema.get("$defs", {}), **schema.get("definitions", {})}
    for part, definition in parts.items():
        if part not in blocks:
            definitions[part] = _plain(definition)
    properties = {
        key: _field(info, _plain(schema["properties"][key]))
        for key, info in kind.model_fields.items()
        if key in schema["properties"]
    }
    definitions[name] = {
        "description": " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split()),
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


def _field(info: FieldInfo, schema: Schema) -> Schema:
    about = {key: schema.pop(key) for key in _ABOUT if key in schema}
    nested = block_type_of(info)
    options = [schema]
    if nested is not None:
        family = [name for name, kind in TYPES.items() if issubclass(kind, nested)]
        options = [
            {"type": "string", "description": f"The name of a block: {' or '.join(family)}."},
            *({"$ref": f"#/$defs/{name}"} for name in family),
        ]
    return {**about, "anyOf": [*options, {"$ref": f"#/$defs/{_ELSEWHERE}"}]}


def _plain(schema: Any) -> Any:
    """Without what only Prefect's pages read."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _plain(each) for name, each in value.items()}
        if key == "properties"
        else _plain(value)
        for key, value in schema.items()
        if key not in _OF_PREFECT
    }


def _elsewhere() -> Schema:
    """What stands for a value: where it is."""
    origins = {
        "env": "The environment variable that has the value.",
        "file": "The file that has the value; relative to this one.",
    }
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text} for name, text in origins.items()
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
