"""What the reference promises of every history, whatever is drawn: no part of it is taken on trust.

Each promise is worked out from the reads anew, by another way than the reference's.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.source_model.examples import MOMENTS, Plan, lots, plans
from tests.source_model.reference import Read, Row, Version, history

READS = 6


@st.composite
def some_reads(draw: st.DrawFn) -> tuple[Read, ...]:
    plan: Plan = draw(plans(READS))
    lot = draw(lots(READS))
    return tuple(plan.read(MOMENTS, lot, number) for number in range(READS))


def accepted(read: Read) -> dict[int, Row]:
    """The one row of each key that has one and that nothing speaks against."""
    keys = [row.key for row in read.rows]
    return {row.key: row for row in read.rows if not row.refused and keys.count(row.key) == 1}


def open_versions(reads: tuple[Read, ...]) -> dict[int, Version]:
    return {key: mine[-1] for key, mine in history(reads).items() if mine[-1].end is None}


def known_at(mine: list[Version], read: Read) -> Version | None:
    """The last version that was seen by then."""
    return max((each for each in mine if each.read_at <= read.at), default=None, key=lambda v: v[2])


@given(some_reads())
def test_after_a_read_the_open_versions_are_the_rows_that_it_accepted(reads):
    for number, read in enumerate(reads, 1):
        before, after = open_versions(reads[: number - 1]), open_versions(reads[:number])
        said = accepted(read)
        there = {key: (row.tracked, row.rest) for key, row in said.items() if _exists(row)}
        untold = {row.key for row in read.rows} - {*said} if read.full else {*before} - {*said}
        kept = {key: (each.tracked, each.rest) for key, each in before.items() if key in untold}

        assert {key: (each.tracked, each.rest) for key, each in after.items()} == there | kept


def _exists(row: Row) -> bool:
    return row.operation != "delete"


@given(some_reads())
def test_nothing_that_was_observed_is_lost(reads):
    found = history(reads)

    for read in reads:
        for key, row in accepted(read).items():
            if _exists(row):
                assert known_at(found[key], read).tracked == row.tracked


@given(some_reads())
def test_no_two_versions_of_a_key_overlap_and_each_holds_for_a_while(reads):
    for mine in history(reads).values():
        assert all(each.end is None or each.start < each.end for each in mine)
        assert all(
            each.end is not None and each.end <= later.start for each, later in pairwise(mine)
        )
        assert all(each.start <= each.read_at for each in mine)


@given(some_reads(), st.randoms(use_true_random=False))
def test_the_order_in_which_reads_come_and_their_repetition_make_no_difference(reads, random):
    again = [*reads, *random.sample(reads, 2)]
    random.shuffle(again)

    assert history(again) == history(reads)


@given(some_reads())
def test_a_version_starts_when_it_says_or_when_it_was_read(reads):
    stamps = {read.at: {(row.key, row.tracked, row.stamp) for row in read.rows} for read in reads}

    for key, mine in history(reads).items():
        for each in mine:
            stated = (key, each.tracked, each.start) in stamps[each.read_at]
            assert stated or each.start == each.read_at
