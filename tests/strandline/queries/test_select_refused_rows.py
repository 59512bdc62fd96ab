"""The rows that a command means, from what was typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.errors import UsageError
from strandline.queries.select_refused_rows import RowSelector, selection_of
from tests.strandline.examples import AIRCRAFT

COMMAND = "strandline quarantine release aircraft"


def row(name, key, batch, refused_at, *reasons):
    return (name, f'{{"tail_number":"{key}"}}', batch, refused_at, None, "s.t", "source", reasons)


ROWS = [
    row("a", "N1", "b1", datetime(2024, 1, 1, tzinfo=UTC), ("carrier_required", "carrier")),
    row("b", "N2", "b1", datetime(2024, 2, 1, tzinfo=UTC), ("range", "delay"), ("fits", "day")),
    row("c", "N2", "b2", datetime(2024, 3, 1, tzinfo=UTC), ("range", "day")),
]
SCHEMA = (
    "name string, record_key string, batch_id string, refused_at timestamp, read_at timestamp, "
    "source_table string, form string, reasons array<struct<check:string,column:string>>"
)


@pytest.mark.parametrize(
    ("selector", "names", "words"),
    [
        (RowSelector(everything=True), "abc", "all"),
        (RowSelector(keys=("N2",)), "bc", "1 key"),
        (RowSelector(keys=("N1", "N2"), batch="b1"), "ab", "2 keys and batch b1"),
        (RowSelector(checks=("range", "carrier_required")), "abc", "check range, carrier_required"),
        (RowSelector(checks=("range",), batch="b2"), "c", "check range and batch b2"),
        (RowSelector(where="refused_at < '2024-02-15'"), "ab", "a condition"),
        (RowSelector(where="`check` = 'range' AND `column` = 'day'"), "c", "a condition"),
        (RowSelector(where="read_at > '2024-01-01'"), "", "a condition"),
        (RowSelector(where="NOT form = 'event'", keys=("N1",)), "a", "1 key and a condition"),
    ],
    ids=str,
)
def test_rows_are_those_that_all_that_was_typed_holds_of(spark, selector, names, words):
    frame = spark.createDataFrame(ROWS, SCHEMA)
    selection = selection_of(selector, AIRCRAFT, command=COMMAND)

    found = frame.where(selection.condition(spark, None)).collect()

    assert "".join(sorted(each.name for each in found)) == names
    assert selection.words == words


@pytest.mark.parametrize(
    ("selector", "part"),
    [
        (RowSelector(), "none of them"),
        (RowSelector(everything=True, batch="b1"), "--all with others"),
        (RowSelector(keys=("tail=N1,x=2", "")), "tail_number"),
        (RowSelector(where="batch_id"), "not true or false"),
        (RowSelector(where="batch = 'b1'"), "batch_id"),
        (RowSelector(where="batch_id = (SELECT 'b1')"), "SQL condition"),
        (RowSelector(where="record_key = 'secret'"), "record_key"),
        (RowSelector(where="refused_at > 5"), "refused_at"),
        (RowSelector(where="rand() > 0.5"), "rand"),
    ],
    ids=str,
)
def test_what_selects_nothing_definite_is_a_matter_of_usage(selector, part):
    with pytest.raises(UsageError) as refused:
        selection_of(selector, AIRCRAFT, command=COMMAND)

    assert part in str(refused.value)
    assert "secret" not in str(refused.value)
