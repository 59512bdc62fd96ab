"""What a column promises by keys of the standard: a check on every row, or a problem."""

from __future__ import annotations

import pytest

from contracts.loader import load_contract, problems
from contracts.model import Severity
from strandline.commands.contracts.check_contracts import check_paths

EXT = "customProperties"


def place(document, name):
    """A target column of the document, and its path."""
    names = [each["name"] for each in document["schema"][0]["properties"]]
    position = names.index(name)
    return document["schema"][0]["properties"][position], f"schema[0].properties[{position}]"


def direct(document, name):
    """Make the column a copy of its source column."""
    column, path = place(document, name)
    value = column[EXT][0]["value"]
    value["transformation"] = {"name": "direct"}
    return column, path


def ours(document):
    return document[EXT][0]["value"]


def made(checks, column):
    return {
        check.id: (check.rule, check.columns, dict(check.arguments), check.severity)
        for check in checks
        if check.id.startswith(f"{column}_")
    }


@pytest.mark.parametrize(
    ("options", "rule", "arguments"),
    [
        ({"minLength": 2, "maxLength": 10}, "length", {"min": 2, "max": 10}),
        ({"maxLength": 10}, "length", {"max": 10}),
        ({"pattern": "^[A-Z]+$"}, "matches", {"pattern": "^[A-Z]+$"}),
        ({"minimum": "A", "maximum": "Z"}, "between", {"low": "A", "high": "Z"}),
    ],
)
def test_options_of_a_direct_column_are_checks_of_its_source(
    document, written, options, rule, arguments
):
    column, _ = direct(document, "new_source_column2")
    column["logicalTypeOptions"] = options

    contract = load_contract(written(document))

    assert made(contract.checks, "new_source_column2") == {
        f"new_source_column2_{rule}": (rule, ("column2",), arguments, Severity.REFUSE)
    }


def test_bounds_of_whole_numbers_may_be_excluded(document, written):
    column, _ = place(document, "business_key")
    column["logicalTypeOptions"] = {"exclusiveMinimum": 0, "exclusiveMaximum": 10}

    contract = load_contract(written(document))

    assert made(contract.checks, "business_key") == {
        "business_key_between": ("between", ("id",), {"low": 1, "high": 9}, Severity.REFUSE)
    }


def test_an_enum_of_a_direct_column_is_a_check(document, written):
    column, _ = direct(document, "new_source_column2")
    column["enum"] = [{"value": "A"}, {"value": "B", "label": "the other"}]

    contract = load_contract(written(document))

    assert made(contract.checks, "new_source_column2") == {
        "new_source_column2_in_set": (
            "in_set", ("column2",), {"values": ("A", "B")}, Severity.REFUSE
        )
    }  # fmt: skip


def test_an_enum_holds_what_the_codes_of_a_column_give(document, written):
    column, path = place(document, "record_status")
    column["enum"] = [{"value": each} for each in "AIPU"]
    assert problems(written(document)) == ()

    column["enum"] = [{"value": each} for each in "AIP"]
    (problem,) = problems(written(document))

    assert str(problem) == f"{path}.enum: lacks what decode gives (list U)"


def test_a_constraint_gets_a_name_that_no_check_has(document, written):
    column, _ = direct(document, "new_source_column2")
    column["logicalTypeOptions"] = {"maxLength": 255}
    document["schema"][0]["quality"][0]["id"] = "new_source_column2_length"

    contract = load_contract(written(document))

    assert [*made(contract.checks, "new_source_column2")] == [
        "new_source_column2_length",
        "new_source_column2_length_2",
    ]


@pytest.mark.parametrize(
    ("name", "key", "value", "where", "message"),
    [
        ("new_source_column2", "logicalTypeOptions", {"format": "email"}, ".format", "no effect"),
        ("new_source_column2", "logicalTypeOptions", {"maxLenght": 3}, ".maxLenght", "did you"),
        ("new_source_column2", "logicalTypeOptions", {"pattern": "a"}, ".pattern", "whole values"),
        ("new_source_column2", "logicalTypeOptions", {"pattern": "^($"}, ".pattern", "no regular"),
        ("new_source_column2", "logicalTypeOptions", {"minimum": 3}, "", "does not fit"),
        ("new_source_column2", "logicalTypeOptions", {"minLength": 3, "maxLength": 2}, "", "above"),
        ("business_key", "logicalTypeOptions", {"maxLength": 3}, "", "looks at text"),
        ("business_key", "logicalTypeOptions", {"minimum": [1]}, ".minimum", "single value"),
        ("business_key", "logicalTypeOptions", {"multipleOf": 2}, ".multipleOf", "condition"),
        ("business_key", "logicalTypeOptions", {"exclusiveMinimum": 0.5}, ".exclusiveMinimum",
         "whole numbers"),
        ("business_key", "logicalTypeOptions", {"minimum": 1, "exclusiveMinimum": 0},
         ".exclusiveMinimum", "leave one out"),
        ("new_source_column1", "logicalTypeOptions", {"maxLength": 3}, "", "schema[0].quality"),
        ("surrogate_key", "logicalTypeOptions", {"minimum": 1}, "", "Strandline gives"),
        ("new_source_column2", "enum", [{"value": {}}], "[0].value", "single value"),
        ("business_key", "enum", [{"value": "A"}], "", "do not fit"),
        ("business_key", "unique", True, "", "several versions"),
        ("business_key", "physicalName", "other", "", "stored by its name"),
        ("business_key", "encryptedName", "other", "", "protection: {kind: encrypt}"),
        ("business_key", "partitionKeyPosition", 3, "", "disagrees"),
        ("business_key", "items", {"name": "x", "physicalType": "INT"}, "", "flat"),
    ],
)  # fmt: skip
def test_what_is_not_checked_or_done_is_refused_with_what_to_do(
    document, written, name, key, value, where, message
):
    make = direct if name == "new_source_column2" else place
    column, path = make(document, name)
    column[key] = value

    found = problems(written(document))

    assert [problem.path for problem in found] == [f"{path}.{key}{where}"]
    assert message in str(found[0])


def test_a_surrogate_key_is_unique(document, written):
    column, _ = place(document, "surrogate_key")
    column["unique"] = True

    assert problems(written(document)) == ()


def test_a_history_is_a_table(document, written):
    document["schema"][0]["physicalType"] = "view"

    (problem,) = problems(written(document))

    assert problem.path == "schema[0].physicalType"


@pytest.mark.parametrize("where", ["schema", "team", "servers", "slaProperties"])
def test_a_property_of_ours_where_nothing_reads_it(document, written, where):
    section = document[where]
    section = section[0] if isinstance(section, list) else section
    section[EXT] = [{"property": "strandline", "value": {}}]

    (problem,) = problems(written(document))

    assert problem.message == "is not read here"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda d: d["slaProperties"].append({"property": "availability", "value": "99.9"}),
         "slaProperties[3].property"),
        (lambda d: d["slaProperties"][0].update(schedule="0 5 * * *"), "slaProperties[0].schedule"),
        (lambda d: d["slaProperties"][0].update(valueExt=3), "slaProperties[0].valueExt"),
        (lambda d: d.update(status="retired"), "status"),
        (lambda d: d["servers"][0].update(server="elsewhere"), "servers"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_noticed(document, written, change, path):
    change(document)

    (checked,) = check_paths([written(document)])

    assert checked.problems == ()
    assert [notice.path for notice in checked.notices] == [path]
    assert checked.notices[0].suggestion
