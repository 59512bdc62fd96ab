"""The page of all block types: fields, types, defaults, and what each says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prefect.blocks.core import Block
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from blocks.lookup.block_file_schema import block_file_schema
from blocks.lookup.local_block_file import TYPES, block_type_of, is_secret_field
from tools.reference_pages.markdown import code, table

__all__ = ["blocks_page"]

_HEAD = """\
# Every block type

From the models, by `python -m tools.reference_pages`. A block says where something is. It lies in
a file of blocks by the type's name and its own, or on a Prefect server under the slug below. In a
file a value may also be `{env: NAME}` or `{file: PATH}`, and a block in a block is its name;
[blocks.schema.json](../schemas/blocks.schema.json) tells editors all of it.
"""


def blocks_page() -> str:
    """The page."""
    definitions = block_file_schema()["$defs"]
    return _HEAD + "".join(_section(name, kind, definitions) for name, kind in TYPES.items())


def _section(name: str, kind: type[Block], definitions: Mapping[str, Any]) -> str:
    about = definitions[name]["description"]
    slug = kind.get_block_type_slug()
    rows = [
        (code(field), _type(info, definitions[name]["properties"].get(field, {}), definitions),
         _default(info), info.description or "")
        for field, info in kind.model_fields.items()
    ]  # fmt: skip
    head = ("field", "type", "default", "what it says")
    return f"\n## {name}\n\n{about} On a server: `{slug}`.\n\n{table(head, rows)}"


def _type(info: FieldInfo, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    nested = block_type_of(info)
    if nested is not None:
        family = [name for name, kind in TYPES.items() if issubclass(kind, nested)]
        named = " or ".join(f"[{name}](#{name})" for name in family)
        return f"the name of a block: {named}" if family else f"a block, `{nested.__name__}`"
    if is_secret_field(info):
        return "secret text"
    options = [each for each in schema.get("anyOf", []) if "$ref" not in each or _is_part(each)]
    return " or ".join(dict.fromkeys(filter(None, (_kind(o, definitions) for o in options))))


def _is_part(schema: Mapping[str, Any]) -> bool:
    return not str(schema["$ref"]).endswith("value-from-elsewhere")


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _kind(definitions[name], definitions) if name in definitions else name
    for several in ("anyOf", "allOf"):
        if several in schema:
            parts = (_kind(each, definitions) for each in schema[several])
            return " or ".join(dict.fromkeys(part for part in parts if part))
    if "enum" in schema or "const" in schema:
        return ", ".join(code(each) for each in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", ""))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}), definitions) or 'anything'}"
    return "" if kind == "null" else {"string": "text", "object": "mapping"}.get(kind, kind)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "*required*"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr) or value == "":
        return ""
    if isinstance(value, Block) or hasattr(value, "model_dump"):
        return ""
    return code(json.dumps(value, default=str).strip('"'))
