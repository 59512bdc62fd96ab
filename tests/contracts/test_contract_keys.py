"""What each key of a contract does: the page that says it, the standard's model, and the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from pathlib import Path

import pytest
from open_data_contract_standard import model as standard
from pydantic import BaseModel

from contracts.loader import (
    parse_columns,
    parse_privacy,
    parse_protection,
    parse_roles,
    parse_source,
    parse_table_contract,
)
from contracts.loader.checks import parse_quality_gate, parse_relationships
from contracts.validation.standard_keys import BY_SECTION, KEYS, NOTICE, PROSE, REFUSED
from tools.list_contract_keys import OWN, PAGE, page

MODELS = {
    "contract": standard.OpenDataContractStandard,
    "description": standard.Description,
    "team": standard.Team,
    "roles": standard.Role,
    "schema": standard.SchemaObject,
    "schema.properties": standard.SchemaProperty,
    "quality": standard.DataQuality,
    "slaProperties": standard.ServiceLevelAgreementProperty,
}
PROSE_BELOW = {
    *("AuthoritativeDefinition", "Synonym", "Support", "Pricing", "TeamMember", "Server"),
    *("Context", "Constraint", "VerifiedStatement", "CustomProperty"),
}
"""Sections of the standard that only keys of prose have, and a server, whose name is compared."""
READ_OTHERWISE = {
    "EnumValue": "contracts.loader.checks.parse_column_constraints",
    "Relationship": "contracts.loader.checks.parse_relationships",
    "MapDefinition": "refused with the key that has it",
}
PARSED = {
    "source": parse_source._KEYS,
    "source.columns": parse_columns._SOURCE_KEYS,
    "history": parse_table_contract._HISTORY_KEYS,
    "quality": parse_quality_gate._KEYS,
    "quality.anomalies": parse_quality_gate._ANOMALY_KEYS,
    "access": parse_roles._ACCESS_KEYS,
    "privacy": parse_privacy._KEYS,
    "privacy.retention": parse_privacy._RETENTION_KEYS,
    "of a role": parse_roles._KEYS,
    "rows of a role": parse_roles._ROW_KEYS,
    "of a target column": parse_columns._EXTENSION_KEYS,
    "protection of a column, or of a rule": parse_protection._KEYS,
    "of a relationship": parse_relationships._KEYS,
}


def keys_of(kind):
    return {info.alias or name for name, info in kind.model_fields.items()}


def models_below(kind, seen):
    if kind in seen:
        return seen
    seen.add(kind)
    for hint in typing.get_type_hints(kind).values():
        for part in parts_of(hint):
            if inspect.isclass(part) and issubclass(part, BaseModel):
                models_below(part, seen)
    return seen


def parts_of(hint):
    yield hint
    for part in typing.get_args(hint):
        yield from parts_of(part)


def source_of(module):
    return Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tools.list_contract_keys"


@pytest.mark.parametrize("section", MODELS)
def test_every_key_of_the_standard_has_one_entry(section):
    assert {*BY_SECTION[section]} == keys_of(MODELS[section])
    assert len(BY_SECTION[section]) == len([key for key in KEYS if key.section == section])


def test_every_section_of_the_standard_is_accounted_for():
    names = {kind.__name__ for kind in models_below(standard.OpenDataContractStandard, set())}

    listed = {kind.__name__ for kind in MODELS.values()}
    assert names == {*listed, *PROSE_BELOW, *READ_OTHERWISE}


@pytest.mark.parametrize(
    "key",
    [key for key in KEYS if key.effect not in (PROSE, REFUSED, NOTICE)],
    ids=lambda key: f"{key.section}.{key.name}",
)
def test_the_module_that_acts_on_a_key_of_the_standard_names_it(key):
    texts = {
        node.value
        for node in ast.walk(ast.parse(source_of(key.effect)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert key.name in texts


@pytest.mark.parametrize("key", [k for k in KEYS if k.effect in (REFUSED, NOTICE)], ids=str)
def test_what_is_refused_or_without_effect_has_a_suggestion(key):
    assert key.instead


@pytest.mark.parametrize("section", PARSED)
def test_every_key_of_our_own_that_is_read_has_an_entry(section):
    assert {*OWN[section]} == {*PARSED[section]}


@pytest.mark.parametrize(
    ("attribute", "module"),
    [
        pytest.param(attribute, module, id=f"{section}.{key}")
        for section, keys in OWN.items()
        for key, (attribute, module) in keys.items()
        if module != PROSE
    ],
)
def test_the_module_that_acts_on_a_key_of_our_own_reads_its_field(attribute, module):
    read = {
        node.attr
        for node in ast.walk(ast.parse(source_of(module)))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }

    assert attribute in read
