"""The short and the full form of a contract mean the same, and comments outlive both."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from datacontract.data_contract import DataContract
from hypothesis import given

from contracts.authoring.full_contract import full_document, full_text
from contracts.authoring.shorten_contract import shortened
from contracts.loader import TABLES, contract_of_document, load_contract, problems
from tests.contracts.loader.test_fuzz import FUZZ, PlainDumper, damages

SHIPPED = sorted(TABLES.glob("*.yaml"))
LONG = sorted((Path(__file__).parents[1] / "long_form").glob("*.yaml"))
"""The shipped contracts as they were before short ones were read."""
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


def case(path):
    return pytest.param(path.read_text(encoding="utf-8"), path.stem, id=path.stem)


DOCUMENTED = pytest.param(documented(), "customers", id="documented")


@pytest.mark.parametrize(("text", "stem"), [*map(case, SHIPPED), DOCUMENTED])
def test_a_contract_in_full_is_the_same_one(text, stem, tmp_path):
    full = full_of(text, stem)

    path = tmp_path / f"{stem}.yaml"
    path.write_text(full, encoding="utf-8")
    assert problems(path) == ()
    assert load_contract(path) == loaded(text, stem)
    assert full_of(full, stem) == full


@pytest.mark.parametrize(("text", "stem"), [*map(case, LONG), DOCUMENTED])
def test_a_long_contract_is_the_same_one_after_it_is_shortened(text, stem):
    short = shortened(text, stem)

    assert ordered(loaded(short, stem)) == ordered(loaded(text, stem))
    assert shortened(short, stem) == short
    assert comments(text) <= comments(short)


def comments(text):
    return {line.strip() for line in text.splitlines() if line.strip().startswith("#")}


@pytest.mark.parametrize(("text", "stem"), [case(SHIPPED[1]), DOCUMENTED])
def test_the_standards_linter_accepts_both_forms(text, stem):
    full = full_of(text, stem)
    for form in (full, shortened(full, stem)):
        run = DataContract(data_contract_str=form, inline_references=False, all_errors=True).lint()
        assert [(each.name, each.reason) for each in run.checks if each.result != "passed"] == []


@pytest.mark.parametrize("path", LONG, ids=lambda path: path.stem)
def test_a_long_contract_of_before_means_what_its_short_one_means(path):
    """But for words: of source columns, and of transformations that say the same by themselves."""
    long, short = (ordered(load_contract(each)) for each in (path, TABLES / path.name))

    assert without_words(long) == without_words(short)
    assert len(path.read_text().splitlines()) > 1.5 * len(
        (TABLES / path.name).read_text().splitlines()
    )


def without_words(contract):
    source = tuple(replace(column, description="") for column in contract.source.columns)
    target = tuple(replace(column, transform_logic="") for column in contract.columns)
    return replace(contract, columns=target, source=replace(contract.source, columns=source))


def test_the_shipped_contracts_can_not_be_shortened():
    for path in SHIPPED:
        text = path.read_text(encoding="utf-8")

        assert shortened(text, path.stem) == text


def test_the_full_form_is_cut_to_less_than_half():
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


@FUZZ
@given(damaged=damages(yaml.safe_load(documented())))
def test_whatever_a_contract_says_both_forms_mean_the_same(damaged):
    text = yaml.dump(damaged.document, Dumper=PlainDumper, allow_unicode=True, sort_keys=False)
    contract = loaded(text, "customers")

    if contract is None:
        assert shortened(text, "customers") == text
        return
    short = shortened(text, "customers")
    assert ordered(loaded(short, "customers")) == ordered(contract)
    assert loaded(full_of(text, "customers"), "customers") == contract
