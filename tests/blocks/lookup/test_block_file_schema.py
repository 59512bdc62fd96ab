"""What editors are told of block files: in step with the block types."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from blocks.lookup.block_file_schema import BLOCK_FILE_SCHEMA, block_file_schema
from blocks.lookup.local_block_file import TYPES

ROOT = Path(__file__).parents[3]
SCHEMA = block_file_schema()


def mistakes(document):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.json_path for error in validator.iter_errors(document)]


def shown():
    """The block files of the pages, whole or in parts."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            document = yaml.safe_load(text)
            if isinstance(document, dict) and {*document} <= {*TYPES}:
                yield pytest.param(document, id=page.name)


def test_the_committed_schema_is_that_of_the_code():
    committed = (ROOT / "docs" / "schemas" / BLOCK_FILE_SCHEMA).read_text(encoding="utf-8")

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(committed) == SCHEMA, "strandline contracts schema --output docs/schemas"


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_the_fields_of_its_model_each_with_a_description(name):
    fields = SCHEMA["$defs"][name]["properties"]

    assert {*fields} == {*TYPES[name].model_fields}
    if TYPES[name].__module__.startswith("blocks."):
        assert [key for key, field in fields.items() if not field.get("description")] == []


def test_every_reference_leads_somewhere():
    found = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(SCHEMA)))

    assert found <= {*SCHEMA["$defs"]}


@pytest.mark.parametrize("document", [*shown()])
def test_what_is_documented_is_accepted(document):
    assert mistakes(document) == []


def test_the_readme_shows_a_block_file():
    assert "README.md" in {case.id for case in shown()}


@pytest.mark.parametrize(
    "document",
    [
        {"source-database": {"crm-db": {"hots": "db"}}},
        {"source-database": {"crm-db": {"port": "5432a"}}},
        {"source-database": {"crm-db": {"ssl_mode": "required"}}},
        {"source-database": {"crm-db": {"password": {"environment": "X"}}}},
        {"run-settings": {"default": {"spark": "local"}}},
        {"lakehous": {}},
    ],
    ids=str,
)
def test_a_mistake_is_found(document):
    assert mistakes(document)


def test_values_may_lie_elsewhere():
    crm = {"host": {"env": "CRM_HOST"}, "password": {"file": "secrets/crm"}, "port": 5433}

    assert mistakes({"source-database": {"crm-db": crm}}) == []
