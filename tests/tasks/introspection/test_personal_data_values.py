from __future__ import annotations

import pytest

from tasks.introspection.personal_data_values import (
    is_recognisable,
    likeness,
    mentions,
)

LOOKS = {
    "email": ["a@b.example", "first.last+x@sub.host.example"],
    "phone": [
        *("+49 30 123456", "+1 (555) 123-4567", "0049 30 123456"),
        *("(030) 12 34 56", "555-123-4567"),
    ],
    "iban": [
        *("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"),
        "FR1420041010050500013M02606",
    ],
    "card": ["4111111111111111", "5555 5555 5555 4444", "378282246310005"],
    "ip": ["10.0.0.1", "2001:db8::1", "192.168.0.0/24"],
    "free_text": ["this one has words enough for prose"],
}  # fmt: skip
OTHERS = [
    "", "2024-01-02", "2024-01-02 10:00:00", "12345", "0001234567", "12.50", "abc", "a@b", "@", "x",
    "4111111111111112", "DE89370400440532013001", "3704004405320130", "1.2.3", "12:30",
    "9b2d", "a b c", "+", "12345-6789", "00000000000000000000",
]  # fmt: skip


def matching(kind, values):
    return sum(each.matches for each in likeness(values, kind))


@pytest.mark.parametrize("kind", LOOKS)
def test_what_is_one_looks_like_one(kind):
    for value in LOOKS[kind]:
        assert matching(kind, [value]) == 1, value


@pytest.mark.parametrize("kind", LOOKS)
@pytest.mark.parametrize("value", OTHERS)
def test_what_is_none_does_not(kind, value):
    assert matching(kind, [value]) == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("36 574 261 809", "German tax ids"),
        ("2 95 10 99 126 111 93", "French social security numbers"),
        ("54362315K", "Spanish DNIs"),
        ("RCCMNL83S18D969H", "Italian fiscal codes"),
        ("756.9217.0769.85", "Swiss AHV numbers"),
        ("536-90-4399", "US social security numbers"),
        ("AB123456C", "British insurance numbers"),
    ],
)
def test_national_ids_are_told_by_their_check_digits(value, words):
    (best, *_) = likeness([value], "national_id")

    assert best.matches == 1
    found = [each for each in likeness([value], "national_id") if words in each.looks]
    assert [each.matches for each in found] == [1]


def test_numbers_that_count_up_are_no_national_ids_and_no_cards():
    numbers = [str(100_000_000 + n) for n in range(200)]
    long_ones = [str(4_000_000_000_000_000 + n) for n in range(200)]

    for values in (numbers, long_ones):
        for each in likeness(values):
            assert each.matches < 0.2 * each.values, each.looks


def test_the_most_frequent_comes_first_and_counts_have_no_value():
    best, *others = likeness(["a@b.example", "c@d.example", "+49 30 123456"])

    assert (best.kind, best.matches, best.values, best.distinct) == ("email", 2, 3, 2)
    assert max(each.matches for each in others) == 1
    assert "example" not in repr((best, others))


def test_addresses_within_longer_texts_are_mentioned():
    texts = ['{"to": "a@b.example"}', '{"to": "c@d.example"}', "{}", "{}"]

    found = mentions(texts)

    assert found is not None
    assert (found.kind, found.matches, found.values) == ("free_text", 2, 4)
    assert mentions(texts[1:] * 10) is not None
    assert mentions(texts[2:]) is mentions([]) is None


def test_what_can_not_be_recognised_is_known():
    assert is_recognisable("email")
    assert not is_recognisable("salary")
    assert likeness([], "salary") == ()
