"""What editors are told of contracts: in step with the code, and never stricter than the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from contracts.authoring.contract_json_schema import (
    CONTRACT_SCHEMA,
    SECTIONS,
    contract_json_schema,
)
from contracts.authoring.full_contract import full_document
from contracts.authoring.key_descriptions import DESCRIPTIONS
from contracts.authoring.shorten_contract import shortened
from contracts.loader import TABLES, load_contract, problems
from contracts.model import ProtectionKind
from contracts.model.transformation_registry import TRANSFORMATIONS
from tools.list_contract_keys import OWN

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(TABLES.glob("*.yaml"))
SCHEMA = contract_json_schema()
NO_SECTIONS = ("transformation", "ledger")
"""A choice of mappings, and what tables of ours alone have."""


def mistakes(document):
    validator = jsonschema.Draft201909Validator(SCHEMA)
    return [(error.json_path, error.message) for error in validator.iter_errors(document)]


def documented():
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```yaml\n(apiVersion: .*?)^```$", text, re.DOTALL | re.MULTILINE)
    return yaml.safe_load(found)


def test_the_committed_schema_is_that_of_the_code():
    committed = (ROOT / "docs" / "schemas" / CONTRACT_SCHEMA).read_text(encoding="utf-8")

    jsonschema.Draft201909Validator.check_schema(SCHEMA)
    assert json.loads(committed) == SCHEMA, "strandline contracts schema --output docs/schemas"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_contracts_are_accepted_as_they_are_in_full_and_shortened(path):
    text = path.read_text(encoding="utf-8")
    document, contract = yaml.safe_load(text), load_contract(path)

    assert mistakes(document) == []
    assert mistakes(full_document(document, contract)) == []
    assert mistakes(yaml.safe_load(shortened(text, path.stem))) == []


def test_the_documented_contract_is_accepted():
    assert mistakes(documented()) == []


@pytest.mark.parametrize("section", [name for name in OWN if name not in NO_SECTIONS])
def test_the_keys_of_a_section_are_those_that_are_read(section):
    schema = SECTIONS[section]
    (mapping,) = [each for each in (schema, *schema.get("anyOf", ())) if "properties" in each]

    assert {*mapping["properties"]} == {*OWN[section]}
    assert mapping["additionalProperties"] is False
    assert {*DESCRIPTIONS[section]} == {*OWN[section]}


def test_every_transformation_and_technique_is_offered():
    choice = SECTIONS["transformation"]["anyOf"]
    words = SECTIONS["protection of a column, or of a rule"]["anyOf"][0]["enum"]

    assert [each["title"] for each in choice[1:]] == [*TRANSFORMATIONS]
    assert words == [*ProtectionKind]


def source(d):
    return d["customProperties"][0]["value"]["source"]


def column(d, **more):
    d["schema"][0]["properties"][5].update(more)


def ours(value):
    return [{"property": "strandline", "value": value}]


MISTAKES = {
    "a key of the source": lambda d: source(d).update(overlapp="1 hour"),
    "the kind of the source": lambda d: source(d).update(kind="sate"),
    "no duration": lambda d: source(d).update(overlap=5),
    "a key of a column": lambda d: column(d, clasification="PUBLIC"),
    "a classification": lambda d: column(d, classification="SECRET"),
    "a transformation": lambda d: column(d, customProperties=ours({"transformation": "tirm"})),
    "a transformation without its argument": lambda d: column(
        d, customProperties=ours({"transformation": "trim_or_default"})
    ),
    "an argument": lambda d: column(
        d,
        customProperties=ours(
            {"transformation": {"name": "trim_or_default", "arguments": {"defalt": "x"}}}
        ),
    ),
    "a technique": lambda d: column(d, customProperties=ours({"protection": {"kind": "hash"}})),
    "a rule of a check": lambda d: d["schema"][0]["quality"][0]["implementation"].update(rule="x"),
    "a part of our own": lambda d: d["customProperties"][0]["value"].update(histroy={}),
    "no purpose": lambda d: d["description"].pop("purpose"),
    "no owner": lambda d: d.pop("team"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_by_editors_and_by_the_loader(name, tmp_path):
    document = documented()
    MISTAKES[name](document)
    path = tmp_path / "customers.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")

    assert mistakes(document)
    assert problems(path)


def test_custom_properties_of_others_are_theirs():
    document = documented()
    column(document, customProperties=[{"property": "catalogue", "value": {"kind": 5}}])

    assert mistakes(document) == []
