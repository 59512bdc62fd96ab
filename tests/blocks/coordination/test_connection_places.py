from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.coordination.connection_places import LEASE_SECONDS, Places


def test_what_is_free_is_taken_and_nothing_where_too_little_is():
    first, granted = Places().take("a", 0, least=2, most=5, limit=6)
    second, rest = first.take("b", 0, least=2, most=5, limit=6)
    narrow, one = first.take("b", 0, least=1, most=5, limit=6)

    assert (granted, rest, second) == (5, 0, first)
    assert (one, narrow.taken) == (1, 6)


def test_places_of_its_own_are_free_for_who_takes_more_or_fewer():
    places, _ = Places().take("a", 0, least=2, most=2, limit=4)

    wider, granted = places.take("a", 0, least=2, most=9, limit=4)
    narrower, fewer = wider.take("a", 0, least=2, most=2, limit=4)

    assert (granted, wider.taken) == (4, 4)
    assert (fewer, narrower.taken) == (2, 2)


def test_places_of_who_died_are_free_when_the_lease_is_over_and_those_of_who_lives_are_kept():
    places, _ = Places().take("dead", 0, least=2, most=2, limit=4)
    places, _ = places.take("lives", 0, least=2, most=2, limit=4)
    places = places.keep("lives", 2, 40)

    later = Places.read(places.document(), LEASE_SECONDS)

    assert set(later.leases) == {"lives"}
    assert later.free("lives").taken == 0


def test_a_lease_of_a_clock_that_was_set_back_is_over():
    places, _ = Places().take("a", 1_000_000, least=2, most=2, limit=4)

    assert Places.read(places.document(), 100).taken == 0


def test_another_document_is_refused():
    with pytest.raises(ValueError, match="no document of places"):
        Places.read({"a": 1}, 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(2, 6), st.booleans()), max_size=30))
def test_all_together_never_hold_more_than_the_limit(steps):
    places = Places()
    for holder, most, frees in steps:
        if frees:
            places = places.free(holder)
        else:
            places, granted = places.take(holder, 0, least=2, most=most, limit=7)
            assert granted <= most
        assert places.taken <= 7
