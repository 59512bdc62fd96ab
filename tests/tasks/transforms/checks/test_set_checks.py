from __future__ import annotations

from pyspark.sql import functions as F

from contracts.model import Check, Comparison, Severity, Threshold, Unit
from tasks.transforms.checks.quality_score import Outcome
from tasks.transforms.checks.set_checks import (
    compile_set_checks,
    digests_of_open_versions,
    repeated_digests,
    repeats,
    set_finding,
)
from tests.tasks.transforms.examples import contract, made, plain_contract


def test_surplus_rows_are_counted_and_nulls_repeat_nothing(spark):
    rows = [("1a", "x")] * 3 + [("2a", None), (None, "x"), (None, None), ("3b", "x"), ("3b", "y")]
    frame = spark.createDataFrame(rows, "`k.1` string, c string")
    both = [repeats(F.col("`k.1`")), repeats(F.col("c"))]

    found = frame.agg(*both).unionAll(frame.limit(0).agg(*both)).collect()

    assert [[tuple(each) for each in row] for row in found] == [[(6, 3), (6, 4)], [(0, 0), (0, 0)]]


def test_digests_that_more_rows_share_are_found_and_nulls_share_nothing(spark):
    rows = [(1, "a"), (2, "a"), (3, "b"), (4, None), (5, None)]
    frame = spark.createDataFrame(rows, "id int, d string")

    assert [row.digest for row in repeated_digests(frame, F.col("d")).collect()] == ["a"]


def test_an_event_that_agrees_with_another_open_key_is_found(spark):
    """2 takes what 9 holds; 3 keeps its own; 4 takes what 5 gives up in this batch."""
    events = spark.createDataFrame(
        [
            (2, "nine", "d2"),
            (3, "three", "d3"),
            (4, "five", "d4"),
            (5, "new", "d5"),
            (6, None, None),
        ],
        "key int, email string, digest string",
    )
    opened = spark.createDataFrame(
        [(9, "nine"), (3, "three"), (5, "five"), (7, None)], "key int, email string"
    )

    found = digests_of_open_versions(events, opened, ("email",), ("key",), F.col("digest"))

    assert [row.digest for row in found.collect()] == ["d2"]


def test_open_versions_are_compared_where_the_table_holds_equal_values():
    by_id = {check.id: check for check in (
        Check("key", "unique", ("the id",)),
        Check("mail", "unique", ("email",)),
        Check("sealed", "unique", ("amount",)),
        Check("upper", "unique", ("Name.Full",)),
    )}  # fmt: skip

    compiled = compile_set_checks(contract(checks=tuple(by_id.values())))
    plain = compile_set_checks(
        plain_contract(
            {"code": "string"}, (made("code", "string", "direct", "code"),),
            (Check("code", "unique", ("code",)),),
        )
    )  # fmt: skip

    # The key repeats in the versions of a key; an encrypted value differs each time; the name is
    # stored in capitals only, and as a mask.
    assert dict(compiled.stored) == {}
    assert dict(plain.stored) == {"code": ("code",)}
    notes = [
        set_finding(compiled, check, failed=0, rows=1, compared_with_open=False).note
        for check in by_id.values()
    ]
    assert "can be compared" not in notes[0]
    assert all("does not hold its columns" in note for note in notes[1:])


def test_a_limit_on_duplicates_is_about_the_batch():
    five_percent = Threshold(Comparison.LESS_OR_EQUAL, (5.0,), Unit.PERCENT)
    check = Check(
        "d", "duplicate_values", ("key",), severity=Severity.REFUSE, threshold=five_percent
    )
    checks = compile_set_checks(plain_contract({}, (), (check,)))

    def finding(failed, rows=100):
        return set_finding(checks, check, failed=failed, rows=rows, compared_with_open=False)

    assert [finding(n).outcome for n in (5, 6)] == [Outcome.PASSED, Outcome.FAILED]
    assert [finding(n).stops for n in (5, 6)] == [False, True]
    assert finding(0, rows=0).outcome is Outcome.NOT_EVALUATED
    assert {finding(n, rows).limit for n, rows in ((5, 100), (0, 0))} == {"at most 5%"}
