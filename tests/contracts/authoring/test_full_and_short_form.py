"""The short and the full form of a contract mean the same, and comments outlive both."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from datacontract.data_contract import DataContract

from contracts.authoring.full_contract import full_document, full_text
from contracts.authoring.shorten_contract import shortened
from contracts.loader import TABLES, contract_of_document, load_contract, problems

SHIPPED = sorted(TABLES.glob("*.yaml"))
PAGE = Path(__file__).parents[3] / "docs" / "contracts.md"
MOST_LINES = 40


def documented():
    (text,) = re.findall(
        r"^```yaml\n(apiVersion: .*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return text


def ordered(contract):
    """With the source's columns in one order, which means nothing."""
    columns = tuple(sorted(contract.source.columns, key=lambda column: column.name))
    return replace(contract, source=replace(contract.source, columns=columns))


def loaded(text, stem):
    return contract_of_document(yaml.safe_load(text), stem)


def full_of(text, stem):
    return full_text(yaml.safe_load(text), loaded(text, stem))


CASES = [
    *(pytest.param(path.read_text(encoding="utf-8"), path.stem, id=path.stem) for path in SHIPPED),
    pytest.param(documented(), "customers", id="documented"),
]


@pytest.mark.parametrize(("text", "stem"), CASES)
def test_a_contract_in_full_is_the_same_one(text, stem, tmp_path):
    full = full_of(text, stem)

    path = tmp_path / f"{stem}.yaml"
    path.write_text(full, encoding="utf-8")
    assert problems(path) == ()
    assert load_contract(path) == loaded(text, stem)
    assert full_of(full, stem) == full


@pytest.mark.parametrize(("text", "stem"), CASES)
def test_a_long_contract_is_the_same_one_after_it_is_shortened(text, stem):
    for long in (text, full_of(text, stem)):
        short = shortened(long, stem)

        assert ordered(loaded(short, stem)) == ordered(loaded(text, stem))
        assert shortened(short, stem) == short
        assert comments(long) <= comments(short)


def comments(text):
    return {line.strip() for line in text.splitlines() if line.strip().startswith("#")}


@pytest.mark.parametrize(("text", "stem"), CASES)
def test_the_standards_linter_accepts_both_forms(text, stem):
    full = full_of(text, stem)
    for form in (full, shortened(full, stem)):
        run = DataContract(data_contract_str=form, inline_references=False, all_errors=True).lint()
        assert [(each.name, each.reason) for each in run.checks if each.result != "passed"] == []


def test_the_full_form_is_cut_to_less_than_a_third():
    text = documented()
    full = full_of(text, "customers")

    short = shortened(full, "customers")

    assert len(full.splitlines()) > 100
    assert len(short.splitlines()) < len(full.splitlines()) / 2


def test_ten_columns_with_protection_and_two_checks_take_at_most_forty_lines():
    text = documented()
    contract = loaded(text, "customers")
    written = [column for column in contract.columns if column.name in text]

    assert len(text.splitlines()) <= MOST_LINES
    assert len(written) == len(yaml.safe_load(text)["schema"][0]["properties"]) == 10
    assert len([column for column in contract.columns if column.protection]) == 4
    assert len(contract.checks) == 2
    assert [column.name for column in contract.columns][10:] == [
        "valid_from", "valid_to", "is_current", "checksum", "read_at",
    ]  # fmt: skip
    assert contract.column("updated_at").transformation.name == "sequence"


COMMENTED = """\
apiVersion: v3.1.0
kind: DataContract
id: lots
name: lots
version: 1.0.0
status: active
# Who asked for it.
description:
  purpose: What was bid for.   # in the hall
team: {name: Tests}
schema:
  - name: lots
    physicalName: art.lots
    properties:
      - name: number  # as printed in the catalogue
        physicalType: BIGINT
        required: true
        logicalType: integer
      # The house's own words: not "title".
      - {name: label, physicalType: TEXT, classification: INTERNAL}
      - name: colour
        logicalType: string
        physicalType: TEXT
        classification: INTERNAL
        transformSourceObjects: [lots.colour]
        description: "Says # and more"
        customProperties:
          - property: strandline
            value:
              transformation:
                name: direct
      # Filled by Strandline.
      - {name: source_sequence, physicalType: TIMESTAMP, customProperties: SEQUENCE}
      - {name: valid_from, physicalType: TIMESTAMP, required: true, customProperties: FROM}
      - {name: valid_to, physicalType: TIMESTAMP, customProperties: TO}
      - {name: is_current, physicalType: BOOLEAN, required: true, customProperties: CURRENT}
      - {name: checksum, physicalType: VARCHAR(64), customProperties: HASH}
customProperties:
  - property: strandline
    value:
      history:
        key: [number]
        # The label is what people look for.
        tracked: [label, colour]
      source:
        connection: hall_db
        schema: public
        table: lots
        kind: state  # one row a lot
        load: full
        columns:
          - {name: number, physicalType: BIGINT, required: true}
          - {name: label, physicalType: TEXT}
          # No lot without one, says the house.
          - {name: colour, physicalType: TEXT}
"""
WORDS = {
    "SEQUENCE": "sequence", "FROM": "valid_from", "TO": "valid_to", "CURRENT": "is_current",
    "HASH": "fingerprint",
}  # fmt: skip
SHORTENED = """\
apiVersion: v3.1.0
kind: DataContract
id: lots
version: 1.0.0
status: active
# Who asked for it.
description:
  purpose: What was bid for.   # in the hall
team: {name: Tests}
schema:
  - name: lots
    physicalName: art.lots
    properties:
      - name: number  # as printed in the catalogue
        physicalType: BIGINT
        required: true
        logicalType: integer
      # The house's own words: not "title".
      - {name: label, physicalType: TEXT}
      - {name: colour, physicalType: TEXT, description: 'Says # and more'}
customProperties:
  - property: strandline
    value:
      history:
        key: [number]
        # The label is what people look for.
        tracked: [label, colour]
      source:
        connection: hall_db
        table: public.lots
        kind: state  # one row a lot
        load: full
        columns:
          # No lot without one, says the house.
          - {name: colour, physicalType: TEXT}
"""


def commented():
    text = COMMENTED
    for word, name in WORDS.items():
        ours = f"[{{property: strandline, value: {{transformation: {{name: {name}}}}}}}]"
        text = text.replace(f"customProperties: {word}}}", f"customProperties: {ours}}}")
    return text


def test_what_has_a_comment_stays_as_it_is_written():
    assert shortened(commented(), "lots") == SHORTENED


def test_a_key_is_said_by_its_columns():
    text = commented().replace("  # as printed in the catalogue", "")

    short = shortened(text, "lots")

    assert "- {name: number, physicalType: BIGINT, primaryKey: true}" in short
    assert "key: [number]" not in short
    assert loaded(short, "lots").key == ("number",)


def test_a_text_with_problems_is_left_alone():
    text = commented().replace("kind: state", "kind: stat")

    assert shortened(text, "lots") == text


def test_nothing_of_the_document_is_changed_by_making_it_full():
    document = yaml.safe_load(documented())
    before = copy.deepcopy(document)

    full_document(document, contract_of_document(document, "customers"))

    assert document == before
