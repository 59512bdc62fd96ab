from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.queries.dates_beyond_python_range import (
    FarMoment,
    day_of,
    far_moment,
    is_day,
    is_temporal,
    micros_of,
    moment_at,
)
from strandline.terminal.console_output import plain
from strandline.terminal.number_format import minute, moment, second, value

DAY = 86_400_000_000
DAYS = st.integers(-(1 << 31) + 1, (1 << 31) - 1)
MICROS = st.integers(-(1 << 63) + 1, (1 << 63) - 1)

IDES = far_moment("0044-03-15 BC", day=True)


@pytest.mark.parametrize(
    ("text", "day", "said"),
    [
        ("0044-03-15 BC", True, "-0043-03-15"),
        ("-0043-03-15", True, "-0043-03-15"),
        ("0001-02-29 BC", True, "0000-02-29"),
        ("+12000-01-01", True, "+12000-01-01"),
        ("5874897-12-31", True, "+5874897-12-31"),
        ("4713-01-01 00:00:00 BC", False, "-4712-01-01T00:00:00+00:00"),
        ("+294246-12-31T23:59:59.999999Z", False, "+294246-12-31T23:59:59.999999+00:00"),
        ("10000-01-01T01:00:00+00:30", False, "+10000-01-01T00:30:00+00:00"),
    ],
)
def test_far_days_and_moments_are_read_and_said_in_iso_8601(text, day, said):
    found = far_moment(text, day=day)

    assert found.isoformat() == said
    assert far_moment(said, day=day) == found


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-01", True),
        ("9999-12-31", True),
        ("-0043-02-29", True),
        ("-0043-03-15T00:00", True),
        ("-0043-3-15", True),
        ("9999999-01-01", True),
        ("294248-01-01", False),
        ("", True),
        ("BC", True),
    ],
)
def test_what_is_no_far_day_or_moment_is_refused(text, day):
    with pytest.raises(ValueError, match=r"neither a day|month|day is out"):
        far_moment(text, day=day)


@given(DAYS, DAYS)
def test_days_keep_their_order_and_their_number_on_both_sides_of_the_border(one, other):
    first, second_ = day_of(one), day_of(other)

    assert (first < second_) is (one < other)
    assert (first == second_) is (one == other)
    assert micros_of(first) == one * DAY
    assert is_day(first)
    assert is_temporal(first)


@given(MICROS, MICROS)
def test_moments_keep_their_order_and_their_number_on_both_sides_of_the_border(one, other):
    first, second_ = moment_at(one), moment_at(other)

    assert (first <= second_) is (one <= other)
    assert (first > second_) is (one > other)
    assert micros_of(first) == one
    assert not is_day(first)


def test_the_border_lies_where_python_ends():
    assert day_of(micros_of(date.max) // DAY) == date.max
    assert day_of(micros_of(date.min) // DAY) == date.min
    assert isinstance(day_of(micros_of(date.max) // DAY + 1), FarMoment)
    assert moment_at(micros_of(datetime.max.replace(tzinfo=UTC))).year == 9999
    assert isinstance(moment_at(micros_of(datetime.max.replace(tzinfo=UTC)) + 1), FarMoment)


def test_a_page_shows_them_as_short_as_they_are_exact():
    assert value(IDES) == moment(IDES) == "-0043-03-15"
    assert moment(far_moment("12000-01-01T00:00", day=False)) == "+12000-01-01"
    assert moment(far_moment("12000-01-01T08:30", day=False)) == "+12000-01-01 08:30"
    assert moment(far_moment("12000-01-01T08:30:01.5", day=False)) == "+12000-01-01 08:30:01.500000"
    assert minute(IDES) == second(IDES) == "-0043-03-15"


def test_json_has_them_as_text_wherever_they_stand():
    assert plain({"at": IDES, "all": [IDES], "in": {"it": IDES}}) == {
        "at": "-0043-03-15",
        "all": ["-0043-03-15"],
        "in": {"it": "-0043-03-15"},
    }
