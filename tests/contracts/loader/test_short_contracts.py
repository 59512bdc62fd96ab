"""What a contract need not say, since it would only repeat itself."""

from __future__ import annotations

import pytest
import yaml

from contracts.loader import load_contract, problems
from contracts.model import Classification, LoadKind, ProtectionKind, SourceColumn
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


PLACE = "schema[0].properties[3].customProperties.strandline"
LEAST = """
apiVersion: v3.1.0
kind: DataContract
id: least
version: 1.0.0
status: active
description: {purpose: The least.}
team: {name: Tests}
servers: [{server: crm-db, type: custom, schema: public}]
schema:
  - name: people
    physicalName: crm.people
    properties:
      - {name: b, physicalType: INTEGER, primaryKey: true, primaryKeyPosition: 2}
      - {name: a, physicalType: INTEGER, primaryKey: true, primaryKeyPosition: 1}
      - {name: label, logicalType: string}
      - {name: changed, physicalType: TIMESTAMP, required: true}
customProperties:
  - property: strandline
    value: {source: {kind: state, sequence: [changed]}}
"""


def least(change=lambda text: text):
    return yaml.safe_load(change(LEAST))


def test_what_a_contract_does_not_say_follows_from_the_rest(written):
    contract = load_contract(written(least(), "least"))

    assert contract.name == "least"
    assert contract.key == ("a", "b")
    assert contract.history.tracked == ("label",)
    assert contract.source.connection == "crm-db"
    assert contract.source.relation == "public.people"
    assert (contract.source.load, contract.source.watermark) == (LoadKind.FULL, ())
    assert [(c.name, c.transformation.name, c.type, c.nullable) for c in contract.columns] == [
        ("b", "direct", "int", False),
        ("a", "direct", "int", False),
        ("label", "direct", "string", True),
        ("changed", "sequence", "timestamp", False),
        ("valid_from", "valid_from", "timestamp", False),
        ("valid_to", "valid_to", "timestamp", True),
        ("is_current", "is_current", "boolean", False),
        ("checksum", "fingerprint", "string", True),
        ("read_at", "read_at", "timestamp", True),
    ]
    assert [(c.name, c.nullable) for c in contract.source.columns] == [
        ("b", False), ("a", False), ("label", True), ("changed", False),
    ]  # fmt: skip


def test_an_incremental_load_reads_by_its_sequence(written):
    said = least(lambda text: text.replace("kind: state,", "kind: state, load: incremental,"))

    assert load_contract(written(said, "least")).source.watermark == ("changed",)


def test_a_log_has_versions_of_the_type_of_its_sequence(written):
    said = least(
        lambda text: text.replace("kind: state", "kind: events").replace(
            "name: changed, physicalType: TIMESTAMP", "name: changed, physicalType: BIGINT"
        )
    )

    contract = load_contract(written(said, "least"))

    assert {contract.column(name).type for name in ("changed", "valid_from", "valid_to")} == {
        "bigint"
    }


def test_a_column_that_says_how_it_is_made_is_not_the_sequence_by_itself(written):
    said = least(lambda text: text.replace(
        "TIMESTAMP, required: true", "TIMESTAMP, transformSourceObjects: [changed]"
    ))  # fmt: skip

    contract = load_contract(written(said, "least"))

    assert contract.column("changed").transformation.name == "direct"
    assert contract.generated("sequence").name == "source_sequence"
    assert contract.history.tracked == ("label",)


def test_a_sensitive_column_is_not_the_sequence_by_itself(written):
    said = least(lambda text: text.replace(
        "TIMESTAMP, required: true", "TIMESTAMP, classification: CONFIDENTIAL"
    ))  # fmt: skip

    found = {problem.path: problem.message for problem in problems(written(said, "least"))}

    assert "stored in the clear" in found["customProperties.strandline.source.sequence"]
    assert "not protected" in found[f"{PLACE}.protection"]


def test_columns_of_a_table_may_be_named_like_those_that_are_added(written):
    said = least(lambda text: text.replace("name: label", "name: checksum"))

    (found,) = problems(written(said, "least"))

    assert found.path == "schema[0].properties[2].name"
    own = "{name: version_checksum, customProperties: "
    own += "[{property: strandline, value: {transformation: fingerprint}}]}"
    assert own in found.suggestion
    said["schema"][0]["properties"].append(yaml.safe_load(own))
    assert load_contract(written(said, "least")).generated("fingerprint").name == "version_checksum"


def test_a_contract_that_names_the_four_columns_gets_no_checksum(short, written):
    said = document()
    properties = said["schema"][0]["properties"]
    said["schema"][0]["properties"] = [c for c in properties if c["name"] != "row_hash"]
    del said["customProperties"][0]["value"]["protection"]
    properties[2].pop("classification")

    assert load_contract(written(said, "short")).generated("fingerprint") is None


def test_source_columns_are_those_that_columns_are_made_of(written):
    said = least()
    properties = said["schema"][0]["properties"]
    ours = [{"property": "strandline", "value": {"transformation": "trim"}}]
    properties[2] = {
        "name": "label", "physicalType": "VARCHAR(9)", "classification": "PUBLIC",
        "transformSourceObjects": ["public.people.a label"], "customProperties": ours,
    }  # fmt: skip
    fallback = {"name": "default_if_null", "arguments": {"default": "-"}}
    properties.append(
        {
            "name": "shown",
            "physicalType": "TEXT",
            "required": True,
            "classification": "INTERNAL",
            "transformSourceObjects": ["a label"],
            "customProperties": [{"property": "strandline", "value": {"transformation": fallback}}],
        }
    )

    contract = load_contract(written(said, "least"))

    column = next(each for each in contract.source.columns if each.name == "a label")
    assert (column.type, column.nullable) == ("string", True)
    assert column.classification is Classification.INTERNAL
    assert contract.history.tracked == ("label", "shown")


def test_a_source_column_whose_type_does_not_follow_has_to_be_said(written):
    said = least()
    rounded = {"name": "round_within", "arguments": {"low": 0, "high": 9, "scale": 1}}
    said["schema"][0]["properties"].append(
        {
            "name": "share",
            "physicalType": "DOUBLE",
            "transformSourceObjects": ["share"],
            "customProperties": [{"property": "strandline", "value": {"transformation": rounded}}],
        }
    )

    (found,) = problems(written(said, "least"))

    assert found.message == "the source has no column share"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("{name: label, logicalType: number}", "DECIMAL(18,2)"),
        ("{name: label, physicalType: NUMERIC}", "DECIMAL(18,2)"),
        ("{name: label, physicalType: mood}", "an enum, a composite"),
        ("{name: label, physicalType: JSNB}", "did you mean JSONB?"),
        ("{name: label, logicalType: array, physicalType: BIGINT}", "use integer"),
    ],
)
def test_a_type_that_is_not_known_is_told_with_what_is(written, column, words):
    text = LEAST.replace("{name: label, logicalType: string}", column)

    (found,) = problems(written(yaml.safe_load(text), "least"))

    assert words in found.suggestion


@pytest.mark.parametrize("word", ["TEXT[]", "JSONB", "INTERVAL", "TIME", "INET", "numeric(4,1)[]"])
def test_what_the_lakehouse_has_no_type_for_is_text(written, word):
    text = LEAST.replace("logicalType: string", f"physicalType: '{word}'")

    contract = load_contract(written(yaml.safe_load(text), "least"))

    assert (contract.column("label").type, contract.column("label").physical_type) == (
        "string", word,
    )  # fmt: skip
