"""What a contract may say of protection: techniques, rules by classification, and derivation."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contracts.loader import load_contract, problems
from contracts.model import Classification, Period, Protection, ProtectionKind
from contracts.validation.contract_notices import notices, suggests_derived
from tests.contracts.loader.test_problems import (
    EXT,
    SOURCE,
    history,
    origin,
    ours,
    protection,
    remove,
    source,
)


@pytest.fixture
def document(document):
    """Without its roles, whose rights depend on how columns are protected."""
    del document["roles"]
    del document["customProperties"][0]["value"]["access"]
    return document


COLUMN3 = {"kind": "encrypt", "deterministic": True, "discloses": "equality"}
RULES = f"{EXT}.protection"


def rules(d, **told):
    d["customProperties"][0]["value"]["protection"] = told


def says(name, **told):
    return lambda d: ours(d, name).update(protection=told)


def no_word(d):
    remove(d, "source_checksum")
    ours(d, "new_source_column2").update(protection={"kind": "redact"})
    ours(d, "new_source_column3").update(protection=COLUMN3)


def position(name):
    names = [
        *("id", "column1", "column2", "column3", "status", "created_date", "updated_date"),
        *("created_by", "updated_by", "data_classification", "checksum", "version_number"),
    ]
    return f"{SOURCE}.columns[{names.index(name)}]"


CASES = {
    "deterministic without the word": (
        says("new_source_column3", kind="encrypt", deterministic=True),
        {f"{protection('new_source_column3')}.discloses": "say discloses: equality"},
    ),
    "another word": (
        says("new_source_column3", **(COLUMN3 | {"discloses": "nothing"})),
        {f"{protection('new_source_column3')}.discloses": "unknown word nothing"},
    ),
    "the word without deterministic": (
        says("new_source_column3", kind="encrypt", discloses="equality"),
        {f"{protection('new_source_column3')}.discloses": "only with deterministic: true"},
    ),
    "a deterministic mask": (
        says("new_source_column3", kind="mask", deterministic=True),
        {f"{protection('new_source_column3')}.deterministic": "only encryption can be"},
    ),
    "a join domain of random tokens": (
        says("new_source_column3", kind="encrypt", join_domain="amounts"),
        {f"{protection('new_source_column3')}.join_domain": "deterministic: true"},
    ),
    "a join domain with a blank": (
        says("new_source_column3", **COLUMN3, join_domain="my amounts"),
        {f"{protection('new_source_column3')}.join_domain": "letters, digits and _"},
    ),
    "a deterministic key": (
        says("business_key", **COLUMN3),
        {protection("business_key"): "use pseudonymise"},
    ),
    "a redacted key": (
        says("business_key", kind="redact"),
        {protection("business_key"): "redact does not keep a key recognisable"},
    ),
    "a generalised start of the first version": (
        says("source_created_date", kind="generalise", to="month"),
        {protection("source_created_date"): "orders or dates"},
    ),
    "a generalised text": (
        says("new_source_column2", kind="generalise", to="year"),
        {protection("new_source_column2"): "the column is string (mask or redact it)"},
    ),
    "a band of a text": (
        says("new_source_column2", kind="generalise", width=10),
        {protection("new_source_column2"): "the column is string"},
    ),
    "a band of a moment": (
        lambda d: (
            history(d).pop("first_valid_from"),
            says("source_created_date", kind="generalise", width=10)(d),
        ),
        {protection("source_created_date"): "bands are of numbers"},
    ),
    "a sensitive sequence": (
        lambda d: origin(d, "updated_date").update(classification="CONFIDENTIAL"),
        {
            f"{SOURCE}.sequence": "updated_date is sensitive",
            f"{SOURCE}.watermark": "updated_date is sensitive",
        },
    ),
    "the month of a number": (
        says("new_source_column3", kind="generalise", to="month"),
        {protection("new_source_column3"): "say width"},
    ),
    "a band that is finer than the column": (
        says("new_source_column3", kind="generalise", width=0.125),
        {protection("new_source_column3"): "at most 2 digits after the point"},
    ),
    "a band that is wider than the column reaches": (
        says("new_source_column3", kind="generalise", width=100_000_000),
        {protection("new_source_column3"): "wider than decimal(10,2)"},
    ),
    "a band of nothing": (
        says("new_source_column3", kind="generalise", width=0),
        {f"{protection('new_source_column3')}.width": "above 0"},
    ),
    "neither a period nor a width": (
        says("new_source_column3", kind="generalise"),
        {f"{protection('new_source_column3')}.kind": "one of `to` and `width`"},
    ),
    "both a period and a width": (
        says("new_source_column3", kind="generalise", to="month", width=10),
        {
            f"{protection('new_source_column3')}.kind": "one of `to` and `width`",
            protection("new_source_column3"): "a number has no month",
        },
    ),
    "an unknown period": (
        says("new_source_column3", kind="generalise", to="week"),
        {f"{protection('new_source_column3')}.to": "unknown word week"},
    ),
    "a width of a mask": (
        says("new_source_column2", kind="mask", width=3),
        {f"{protection('new_source_column2')}.width": "only generalise has one"},
    ),
    "an unknown technique": (
        says("new_source_column2", kind="redakt"),
        {f"{protection('new_source_column2')}.kind": "did you mean redact?"},
    ),
    "none of a column that is sensitive": (
        says("new_source_column3", kind="none"),
        {protection("new_source_column3"): "CONFIDENTIAL and not protected"},
    ),
    "none with a setting": (
        says("new_source_id", kind="none", keep=2),
        {f"{protection('new_source_id')}.keep": "unknown key"},
    ),
    "redaction that is tracked without a fingerprint": (
        no_word,
        {protection("new_source_column2"): "all values are stored alike"},
    ),
    "a rule for an unknown classification": (
        lambda d: rules(d, RESTRICTD={"kind": "encrypt"}),
        {f"{RULES}.RESTRICTD": "did you mean RESTRICTED?"},
    ),
    "a rule that is no mapping": (
        lambda d: rules(d, RESTRICTED=["encrypt"]),
        {f"{RULES}.RESTRICTED": "must be a mapping"},
    ),
    "a rule that discloses equality": (
        lambda d: rules(d, RESTRICTED=COLUMN3),
        {f"{RULES}.RESTRICTED.deterministic": "say it of the columns that are joined"},
    ),
    "a rule of nothing": (
        lambda d: rules(d, RESTRICTED={"kind": "none"}),
        {f"{RULES}.RESTRICTED.kind": "unknown word none"},
    ),
    "a rule that does not fit a column": (
        lambda d: (
            rules(d, CONFIDENTIAL={"kind": "generalise", "to": "year"}),
            ours(d, "new_source_column3").pop("protection"),
        ),
        {
            protection("new_source_column3"): "by the rule for CONFIDENTIAL: a number has no year "
            "(say the column's own protection: say width"
        },
    ),
    "made of an unknown column": (
        lambda d: origin(d, "checksum").update(derived_from=["id", "colum1"]),
        {f"{position('checksum')}.derived_from": "did you mean column1?"},
    ),
    "made of itself": (
        lambda d: origin(d, "checksum").update(derived_from=["checksum"]),
        {f"{position('checksum')}.derived_from": "would be made of itself"},
    ),
    "made of each other": (
        lambda d: origin(d, "id").update(derived_from=["checksum"]),
        {
            f"{position('id')}.derived_from": "by checksum",
            f"{position('checksum')}.derived_from": "by id",
        },
    ),
    "made of a word": (
        lambda d: origin(d, "checksum").update(derived_from="id"),
        {f"{position('checksum')}.derived_from": "a list of names"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_with_its_place(case, document, written):
    change, expected = CASES[case]
    change(document)

    told = {problem.path: str(problem) for problem in problems(written(document))}

    if case == "made of each other":
        # The key is then as sensitive as the checksum, and so is all that is made of it.
        told = {path: words for path, words in told.items() if path in expected}
    assert set(told) == set(expected), told
    for path, words in expected.items():
        assert words in told[path]


def test_a_target_column_that_is_made_of_a_derived_column_inherits_its_sensitivity(
    document, written
):
    ours_of_system = ours(document, "source_version")
    assert "protection" not in ours_of_system
    property_ = document["schema"][0]["properties"][22]
    property_.update(
        physicalType="VARCHAR(64)",
        logicalType="string",
        transformSourceObjects=["new_source_table.checksum"],
    )

    (problem,) = problems(written(document))

    assert problem.path == protection("source_version")
    assert "made of checksum, which the source classifies as sensitive" in problem.message


def test_a_rule_protects_what_says_nothing_and_exceptions_are_the_columns_own(document, written):
    rules(
        document,
        CONFIDENTIAL={"kind": "redact"},
        RESTRICTED={"kind": "encrypt"},
        PUBLIC={"kind": "mask", "keep": 1},
    )
    ours(document, "new_source_column3").pop("protection")
    origin(document, "version_number").update(classification="RESTRICTED")
    document["schema"][0]["properties"][13].update(classification="PUBLIC")

    contract = load_contract(written(document))

    assert contract.protection[Classification.RESTRICTED] == Protection(ProtectionKind.ENCRYPT)
    by_rule = {
        column.name: (str(column.protection.kind), column.protected_by_rule)
        for column in contract.columns
        if column.protection is not None
    }
    assert by_rule == {
        "new_source_column2": ("mask", None),
        "new_source_column3": ("redact", Classification.CONFIDENTIAL),
        # By the classification of its source, which is higher than its own.
        "source_version": ("encrypt", Classification.RESTRICTED),
    }


def test_an_internal_column_can_be_left_out_of_a_rule(document, written):
    rules(document, INTERNAL={"kind": "mask", "keep": 1})
    for name in ("source_created_date", "new_source_id", "source_version"):
        ours(document, name).update(protection={"kind": "none"})
    ours(document, "business_key").update(protection={"kind": "pseudonymise"})

    contract = load_contract(written(document))

    stated = {c.name: c.protected_by_rule for c in contract.columns if c.protection}
    assert stated["new_source_column1"] is Classification.INTERNAL
    assert stated["business_key"] is None
    assert not {"source_created_date", "new_source_id", "source_system", "is_current"} & {*stated}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"kind": "redact"}, Protection(ProtectionKind.REDACT)),
        (
            {"kind": "generalise", "width": 0.5},
            Protection(ProtectionKind.GENERALISE, width=Decimal("0.5")),
        ),
        (
            {"kind": "generalise", "width": 100},
            Protection(ProtectionKind.GENERALISE, width=Decimal(100)),
        ),
        (
            {**COLUMN3, "join_domain": "amounts"},
            Protection(ProtectionKind.ENCRYPT, deterministic=True, join_domain="amounts"),
        ),
    ],
)
def test_each_technique_is_read(told, expected, document, written):
    ours(document, "new_source_column3").update(protection=told)

    assert load_contract(written(document)).column("new_source_column3").protection == expected


def test_a_date_is_generalised_to_its_year(document, written):
    ours(document, "source_created_date").update(protection={"kind": "generalise", "to": "year"})
    history(document).pop("first_valid_from")

    column = load_contract(written(document)).column("source_created_date")

    assert column.protection == Protection(ProtectionKind.GENERALISE, period=Period.YEAR)


def test_equality_that_tokens_disclose_is_noticed(document, written):
    ours(document, "new_source_column3").update(protection={**COLUMN3, "join_domain": "amounts"})

    (notice,) = notices(load_contract(written(document)), "a.yaml")

    assert notice.path == protection("new_source_column3")
    assert "in all columns of the join domain amounts" in notice.message


def test_a_name_that_suggests_a_derived_column_is_asked_once(document, written):
    origin(document, "checksum").pop("derived_from")

    (notice,) = notices(load_contract(written(document)), "a.yaml")

    assert notice.path == f"{SOURCE}.columns, checksum"
    for answer in (["id"], []):
        origin(document, "checksum").update(derived_from=answer)
        assert notices(load_contract(written(document)), "a.yaml") == ()
    origin(document, "checksum").pop("derived_from")
    origin(document, "checksum").update(classification="CONFIDENTIAL")
    assert notices(load_contract(written(document)), "a.yaml") == ()


def test_where_nothing_is_sensitive_no_name_is_asked_about(document, written):
    for each in source(document)["columns"]:
        each.update(classification="INTERNAL")
        each.pop("derived_from", None)
    remove(document, "new_source_column2")
    remove(document, "new_source_column3")
    history(document)["tracked"] = ["new_source_column1"]
    for prop in document["schema"][0]["properties"]:
        prop["classification"] = "INTERNAL"

    assert notices(load_contract(written(document)), "a.yaml") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("checksum", "row_hash", "RowHash", "md5", "MD5Sum", "sha_256")),
        *((name, True) for name in ("search_text", "full_text", "fulltext", "name_concat", "tsv")),
        *((name, False) for name in ("status", "cash", "research", "shape", "hashtag", "id")),
    ],
)
def test_names_suggest(name, expected):
    assert suggests_derived(name) is expected
