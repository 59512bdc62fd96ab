"""What a contract need not say, since it would only repeat itself."""

from __future__ import annotations

import pytest
import yaml

from contracts.loader import load_contract
from contracts.model import Classification, ProtectionKind, SourceColumn
from contracts.schemas.spark_schemas import source_schema, target_schema

SHORT = """
apiVersion: v3.1.0
kind: DataContract
id: short
name: short
version: 1.0.0
status: active
description: {purpose: The shortest.}
team: {name: Tests}
schema:
  - name: short
    physicalName: crm.short
    properties:
      - {name: id, physicalType: BIGINT, required: true}
      - {name: city, physicalType: VARCHAR(80), description: Where they live.}
      - {name: email, physicalType: TEXT, classification: CONFIDENTIAL}
      - {name: moved, physicalType: DATE, transformSourceObjects: [short.moved on]}
      - {name: seen_at, physicalType: TIMESTAMP, customProperties: SEQUENCE}
      - {name: valid_from, physicalType: TIMESTAMP, required: true, customProperties: FROM}
      - {name: valid_to, physicalType: TIMESTAMP, customProperties: TO}
      - {name: is_current, physicalType: BOOLEAN, required: true, customProperties: CURRENT}
      - {name: row_hash, physicalType: VARCHAR(64), customProperties: HASH}
customProperties:
  - property: strandline
    value:
      protection: {CONFIDENTIAL: {kind: encrypt}}
      history: {key: [id], tracked: [city, email, moved]}
      source:
        connection: crm_db
        schema: public
        table: short
        kind: state
        load: full
        columns:
          - {name: moved on, physicalType: DATE, description: When they moved.}
"""
WORDS = {
    "SEQUENCE": "sequence", "FROM": "valid_from", "TO": "valid_to", "CURRENT": "is_current",
    "HASH": "fingerprint",
}  # fmt: skip


def document():
    text = SHORT
    for word, name in WORDS.items():
        ours = f"[{{property: strandline, value: {{transformation: {{name: {name}}}}}}}]"
        text = text.replace(f"customProperties: {word}", f"customProperties: {ours}")
    return yaml.safe_load(text)


@pytest.fixture
def short(written):
    return load_contract(written(document(), "short"))


def test_a_column_that_says_nothing_is_copied_from_the_one_of_its_name(short):
    city = short.column("city")

    assert (city.transformation.name, city.sources) == ("direct", ("city",))
    assert short.column("moved").sources == ("moved on",)


def test_the_source_has_what_columns_are_copied_from(short):
    assert short.source.columns == (
        SourceColumn("moved on", "date", description="When they moved."),
        SourceColumn("id", "bigint", nullable=False),
        SourceColumn("city", "string", description="Where they live."),
        SourceColumn("email", "string", classification=Classification.CONFIDENTIAL),
    )
    assert source_schema(short).fieldNames() == ["moved on", "id", "city", "email"]


def test_what_the_source_says_of_a_column_goes_before(written):
    said = document()
    source = said["customProperties"][0]["value"]["source"]
    source["columns"].append({"name": "id", "physicalType": "INTEGER", "required": True})

    contract = load_contract(written(said, "short"))

    kinds = {column.name: column.type for column in contract.source.columns}
    assert (kinds["id"], contract.column("id").type) == ("int", "bigint")


def test_a_description_is_that_of_the_source_or_of_what_is_done(short):
    described = {column.name: column.description for column in short.columns}

    assert described["city"] == "Where they live."
    assert described["moved"] == "When they moved."
    assert described["id"] == "The value of public.short.id."
    assert described["valid_to"] == "Exclusive end of the version."
    assert all(field.metadata["comment"] for field in target_schema(short))


def test_a_copied_column_is_protected_by_the_rule_for_its_classification(short):
    how = short.column("email").protection

    assert how is not None
    assert how.kind is ProtectionKind.ENCRYPT


def test_a_state_may_have_no_sequence(short):
    assert short.source.sequence == ()
    assert not short.source.refuses_null_watermark
