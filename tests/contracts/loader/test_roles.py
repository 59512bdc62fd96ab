"""What a contract may say of roles, and what it is told when it says something else."""

from __future__ import annotations

import pytest

from contracts.errors import ContractError
from contracts.loader import load_contract, problems
from contracts.model import AboveLevel, Classification, Role, RowRight, Shown, column_right

WORDS = "roles[0].customProperties.strandline"
ACCESS = "customProperties.strandline.access"


def words_of(document):
    return document["roles"][0]["customProperties"][0]["value"]


def rows(document, **said):
    words_of(document)["rows"] = said


def test_every_word_of_a_role_is_read(document, written):
    document["roles"][0]["customProperties"][0]["value"] = {
        "level": "CONFIDENTIAL",
        "above": "redact",
        "allow": ["created_by"],
        "deny": ["batch_id"],
        "mask": {"source_system": 3},
        "rows": {"level": "INTERNAL", "current": True, "where": "record_status IN ('A', 'P')"},
        "decrypt": ["new_source_column3"],
    }

    role = load_contract(written(document)).roles[0]

    assert role == Role(
        name="analyst",
        access="read",
        description=role.description,
        level=Classification.CONFIDENTIAL,
        above=AboveLevel.REDACT,
        allow=("created_by",),
        deny=("batch_id",),
        mask={"source_system": 3},
        rows=RowRight(Classification.INTERNAL, current=True, where="record_status IN ('A', 'P')"),
        decrypt=("new_source_column3",),
    )


def test_a_role_without_words_sees_nothing_that_is_not_public(document, written):
    del document["roles"][0]["customProperties"]

    contract = load_contract(written(document))

    role = contract.roles[0]
    shown = [column_right(role, c.name, c.classification).shown for c in contract.columns]
    assert {*shown} == {Shown.HIDDEN}
    assert (role.row_level, role.decrypt) == (Classification.PUBLIC, ())


CASES = {
    "an unknown word": (lambda d: words_of(d).update(levl="PUBLIC"), WORDS + ".levl", "level"),
    "an unknown level": (
        lambda d: words_of(d).update(level="CONFIDENTAL"),
        WORDS + ".level",
        "did you mean CONFIDENTIAL?",
    ),
    "an unknown way": (lambda d: words_of(d).update(above="hid"), WORDS + ".above", "hide"),
    "an unknown column": (
        lambda d: words_of(d).update(allow=["bach_id"]),
        WORDS + ".allow",
        "did you mean batch_id?",
    ),
    "a column in two lists": (
        lambda d: words_of(d).update(allow=["batch_id"], deny=["batch_id"]),
        WORDS + ".deny",
        "in allow too",
    ),
    "a mask of a token": (
        lambda d: words_of(d).update(mask={"new_source_column3": 2}),
        WORDS + ".mask",
        "is stored protected",
    ),
    "a mask of a number": (
        lambda d: words_of(d).update(mask={"new_source_id": 2}),
        WORDS + ".mask",
        "a mask shows part of a text",
    ),
    "a mask without a number": (
        lambda d: words_of(d).update(mask={"source_system": "two"}),
        WORDS + ".mask.source_system",
        "a whole number",
    ),
    "decrypting what is not encrypted": (
        lambda d: words_of(d).update(decrypt=["source_system"]),
        WORDS + ".decrypt",
        "is not encrypted",
    ),
    "decrypting what it does not see": (
        lambda d: words_of(d).update(decrypt=["new_source_column3"]),
        WORDS + ".decrypt",
        "say level: CONFIDENTIAL",
    ),
    "an unknown column to decrypt": (
        lambda d: words_of(d).update(decrypt=["new_source_colum3"]),
        WORDS + ".decrypt",
        "did you mean new_source_column3?",
    ),
    "an unknown word of rows": (
        lambda d: rows(d, curent=True),
        WORDS + ".rows.curent",
        "did you mean current?",
    ),
    "a filter on an unknown column": (
        lambda d: rows(d, where="record_stats = 'A'"),
        WORDS + ".rows.where",
        "did you mean record_status?",
    ),
    "a filter on tokens": (
        lambda d: rows(d, where="new_source_column3 > 5"),
        WORDS + ".rows.where",
        "there is no column new_source_column3",
    ),
    "a filter that is no condition": (
        lambda d: rows(d, where="record_status"),
        WORDS + ".rows.where",
        "is a condition",
    ),
    "a filter with a function": (
        lambda d: rows(d, where="lower(record_status) = 'a'"),
        WORDS + ".rows.where",
        "compare columns with literals",
    ),
    "a filter that compares columns": (
        lambda d: rows(d, where="created_by = updated_by"),
        WORDS + ".rows.where",
        "",
    ),
    "a filter that another statement hides in": (
        lambda d: rows(d, where="record_status = 'A'; DROP TABLE t"),
        WORDS + ".rows.where",
        "",
    ),
    "a name that is no end of a view": (
        lambda d: d["roles"][0].update(role="Data Analyst"),
        "roles[0].role",
        "data_steward",
    ),
    "a name that a table has": (
        lambda d: d["roles"][0].update(role="kept_events"),
        "roles[0].role",
        "taken",
    ),
    "a name twice": (
        lambda d: d["roles"][1].update(role="analyst"),
        "roles[1].role",
        "occurs twice",
    ),
    "our property at an approver": (
        lambda d: d["roles"][0]["customProperties"][0].update(property="strandlin"),
        "roles[0].customProperties[0].property",
        "did you mean strandline?",
    ),
    "rows classified by an unknown column": (
        lambda d: d["customProperties"][0]["value"]["access"].update(row_classification="levl"),
        ACCESS + ".row_classification",
        "has no column levl",
    ),
    "rows classified by a number": (
        lambda d: d["customProperties"][0]["value"]["access"].update(
            row_classification="source_version"
        ),
        ACCESS + ".row_classification",
        "a level is text",
    ),
    "rows classified by tokens": (
        lambda d: d["customProperties"][0]["value"]["access"].update(
            row_classification="new_source_column2"
        ),
        ACCESS + ".row_classification",
        "is protected",
    ),
    "an unknown word of access": (
        lambda d: d["customProperties"][0]["value"]["access"].update(rows="x"),
        ACCESS + ".rows",
        "unknown key",
    ),
    "a level of rows that nothing classifies": (
        lambda d: (d["customProperties"][0]["value"].pop("access"), rows(d, level="PUBLIC")),
        WORDS + ".rows.level",
        "row_classification",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_with_its_place_and_what_would_be_right(document, written, case):
    change, path, words = CASES[case]
    change(document)

    found = [each for each in problems(written(document)) if each.path == path]

    assert len(found) == 1
    assert words in str(found[0])


def test_a_broken_role_is_no_contract(document, written):
    words_of(document)["level"] = "SECRET"

    with pytest.raises(ContractError):
        load_contract(written(document))
