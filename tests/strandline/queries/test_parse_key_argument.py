from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from contracts.errors import UsageError
from strandline.queries.dates_beyond_python_range import far_moment
from strandline.queries.parse_key_argument import example, key_values, moment_of
from tests.strandline.examples import AIRCRAFT


def keyed(**kinds):
    """The aircraft contract with a key of these columns and types."""
    base = AIRCRAFT.columns[1]
    columns = tuple(replace(base, name=name, type=kind) for name, kind in kinds.items())
    return replace(AIRCRAFT, columns=columns, key=tuple(kinds))


def test_a_single_column_takes_the_bare_value():
    assert key_values("N14228", AIRCRAFT) == {"tail_number": "N14228"}


def test_a_single_column_may_be_named():
    assert key_values("tail_number=N14228", AIRCRAFT) == {"tail_number": "N14228"}


@pytest.mark.parametrize("text", ["a=b", "x,y", "=", " N1 ", "tail=N1,airport=X"])
def test_a_bare_value_may_hold_commas_and_equal_signs(text: str):
    assert key_values(text, AIRCRAFT) == {"tail_number": text}


def test_several_columns_are_named_in_any_order_and_come_in_the_contracts():
    values = key_values("b=x,a=1", keyed(a="bigint", b="string"))

    assert list(values.items()) == [("a", 1), ("b", "x")]


def test_a_value_among_several_may_hold_commas_and_equal_signs():
    contract = keyed(a="string", b="string")

    assert key_values("a=x,y=z,b=1=2,", contract) == {"a": "x,y=z", "b": "1=2,"}


def test_a_column_whose_name_begins_like_anothers_is_told_apart():
    assert key_values("ab=1,a=2", keyed(a="int", ab="int")) == {"a": 2, "ab": 1}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bigint", "9223372036854775807", 2**63 - 1),
        ("smallint", "-32768", -32768),
        ("boolean", "TRUE", True),
        ("double", "1.5", 1.5),
        ("decimal(10,2)", "12.30", Decimal("12.30")),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "0044-03-15 BC", far_moment("-0043-03-15", day=True)),
        ("date", "+12000-02-29", far_moment("+12000-02-29", day=True)),
        ("timestamp", "-0043-03-15T12:30Z", far_moment("-0043-03-15T12:30", day=False)),
        ("timestamp", "2024-02-29T12:30:00", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("timestamp", "2024-02-29T12:30:00Z", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("string", "007", "007"),
    ],
)
def test_values_have_the_types_of_their_columns(kind: str, text: str, value: object):
    found = key_values(text, keyed(k=kind))["k"]

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "2147483648"),
        ("bigint", "N1"),
        ("boolean", "yes"),
        ("decimal(10,2)", "1,5"),
        ("date", "29.2.2024"),
        ("timestamp", "yesterday"),
        ("string", ""),
    ],
)
def test_a_value_of_another_type_is_refused_without_repeating_it(kind: str, text: str):
    with pytest.raises(UsageError, match=r"k \(") as refused:
        key_values(text, keyed(k=kind))

    assert refused.value.exit_code == 64
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("text", ["1", "a=1", "a=1,c=2", "a=1,a=2", "x a=1,b=2", "a=1,b=", "b=2"])
def test_a_key_that_lacks_a_column_or_names_one_twice_is_refused(text: str):
    with pytest.raises(UsageError, match="a=A,b=B"):
        key_values(text, keyed(a="int", b="int"))


def test_the_example_shows_how_a_key_is_typed():
    assert example(AIRCRAFT) == "TAIL_NUMBER"
    assert example(keyed(a="int", b="int")) == "a=A,b=B"


def test_a_moment_without_a_zone_is_in_utc():
    assert moment_of("2024-05-01") == datetime(2024, 5, 1, tzinfo=UTC)
    assert moment_of("2024-05-01T12:00+02:00") == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_a_moment_that_is_none_is_a_matter_of_usage():
    with pytest.raises(UsageError, match="2024-05-01T12:00:00Z"):
        moment_of("noon")
