from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import Observation
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model import Check, Severity
from contracts.model.check_registry import RULES, Scope
from tasks.transforms.checks.quality_score import Judged
from tasks.transforms.checks.row_checks import (
    WORD,
    _bit,
    compile_row_checks,
    counts,
    failed_checks,
    findings,
    judged,
    reasons,
    refusing,
    row_score,
    stored_mask,
    with_references,
)
from tasks.transforms.checks.rule_expressions import BROKEN
from tasks.transforms.mapping.row_filter import meets_conditions
from tests.tasks.transforms.checks.test_rule_expressions import ALL as RULE_CASES
from tests.tasks.transforms.examples import AS_OF, SOURCE_SCHEMA, contract, made, plain_contract

NOON = AS_OF
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
D = Decimal

# rule, arguments, types of its columns, values that pass, values that fail; null passes all but
# `required`.
CASES = [
    ("required", {}, ["string"], ["", " "], [None]),
    ("not_blank", {}, ["string"], ["a", " a ", "\u200b"], ["", "  ", "\t\n", "\u00a0\u3000"]),
    ("max_length", {"length": 3}, ["string"], ["", "abc", "é€😀"], ["abcd"]),
    ("max_length", {"length": 2}, ["int"], [10], [100]),
    ("in_set", {"values": ("A", "B")}, ["string"], ["A"], ["a", "", "A "]),
    ("in_set", {"values": (1, 2.5, None)}, ["decimal(5,2)"], [D("2.50"), D(1)], [D("2.51")]),
    ("in_set", {"values": ("2024-01-01",)}, ["date"], [date(2024, 1, 1)], [date(2024, 1, 2)]),
    ("in_set", {"values": (None,)}, ["string"], [], ["x"]),
    ("between", {"low": 0, "high": 999.999}, ["decimal(6,2)"], [D(0), D("999.99")], [
        D("1000.00"), D("-0.01")]),
    ("between", {"low": 0.5}, ["int"], [1, 2**31 - 1], [0]),
    ("between", {"high": "2"}, ["bigint"], [2, -5], [3]),
    ("between", {"low": 0}, ["double"], [0.0, -0.0, float("inf")], [-0.1, float("nan")]),
    ("between", {"low": "2024-01-01", "high": "2024-12-31"}, ["date"], [
        date(2024, 1, 1), date(2024, 12, 31)], [date(2023, 12, 31), date(2025, 1, 1)]),
    ("between", {"low": "2024-05-01 11:30:00"}, ["timestamp"], [NOON], [EARLIER]),
    ("between", {"low": "b", "high": "d"}, ["string"], ["b", "cc", "d"], ["a", "da"]),
    ("matches", {"pattern": "a|b+"}, ["string"], ["a", "bbb"], ["ab", "", "a\n", "xa"]),
    ("matches", {"pattern": r"\d{3}"}, ["int"], [123], [12, 1234]),
    ("not_after", {}, ["timestamp", "timestamp"], [(NOON, NOON), (EARLIER, NOON), (NOON, None)], [
        (LATER, NOON)]),
    ("not_after", {}, ["date", "timestamp"], [(date(2024, 5, 1), NOON)], [
        (date(2024, 5, 2), NOON)]),
    ("not_after", {}, ["string", "date"], [("soon", date(2024, 5, 1)), (
        "2024-05-01", date(2024, 5, 1))], [("2024-05-01 00:00:01", date(2024, 5, 1))]),
    ("not_in_future", {}, ["string"], ["soon", "2024-05-01 12:00:00"], ["2024-05-01 12:00:01"]),
    ("not_in_future", {}, ["timestamp"], [NOON, EARLIER], [NOON + timedelta(microseconds=1)]),
    ("not_in_future", {"tolerance_seconds": 60}, ["timestamp"], [NOON + timedelta(seconds=60)], [
        NOON + timedelta(seconds=60.5)]),
    ("not_in_future", {}, ["date"], [date(2024, 5, 1)], [date(2024, 5, 2)]),
]  # fmt: skip


def failed_in(word):
    """The positions of the checks whose bits are set in a first word."""
    return {position for position in range(WORD) if word & _bit(position)}


def values_of(case, values):
    return [value if len(case[2]) == 2 else (value,) for value in values]


@pytest.fixture(scope="module")
def answers_of_cases(spark):
    """Per case the answers for its passing values, its failing values and a null."""
    rows, kinds, checks = [], {}, []
    width = {}
    for number, (rule, arguments, types, good, bad) in enumerate(CASES):
        names = tuple(f"c {number}.{part}" for part in range(len(types)))
        kinds.update(zip(names, types, strict=True))
        checks.append(Check(f"check {number}", rule, names, arguments))
        width[number] = [*values_of(CASES[number], good), *values_of(CASES[number], bad)]
    depth = max(map(len, width.values())) + 1
    for row in range(depth):
        cells = [row]
        for number, case in enumerate(CASES):
            filled = width[number]
            cells += filled[row] if row < len(filled) else (None,) * len(case[2])
        rows.append(tuple(cells))
    schema = "id int, " + ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
    people = plain_contract(kinds, (), tuple(checks))
    (mask,) = failed_checks(compile_row_checks(people), as_of=AS_OF, ignored=F.lit(False))
    masks = spark.createDataFrame(rows, schema).select("id", mask.alias("m")).orderBy("id")
    assert masks.schema["m"].dataType.simpleString() == "bigint"
    first = len(compile_row_checks(people).checks) - len(CASES)
    answers = [row.m for row in masks.collect()]
    assert None not in answers
    return [[first + number in failed_in(m) for m in answers] for number in range(len(CASES))]


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n][0]}")
def test_a_rule_fails_what_breaks_it_and_lets_nulls_pass(answers_of_cases, number):
    rule, _, _, good, bad = CASES[number]
    answers = answers_of_cases[number]

    assert answers[: len(good)] == [False] * len(good)
    assert answers[len(good) : len(good) + len(bad)] == [True] * len(bad)
    assert answers[-1] is (rule == "required")


def test_every_row_and_reference_rule_has_a_spark_side_and_a_case():
    looking_at_one_row = {
        name for name, rule in RULES.items() if rule.scope in (Scope.ROW, Scope.REFERENCE)
    }
    tried = {case[0] for case in (*CASES, *RULE_CASES)}

    assert set(BROKEN) == looking_at_one_row
    assert tried | {"condition", "references"} == looking_at_one_row


PEOPLE = contract()
ROWS = [
    (1, "Ann", D(10), "ACTIVE", "a@b", None, EARLIER, NOON),
    (None, None, D(-1), "??", None, None, None, None),
    (3, "Cid", D(-1), "PENDING", None, None, EARLIER, None),
    (4, "Dot", None, None, None, None, None, None),
    (5, "Eve", D(1), "TEST", None, None, None, None),
]


@pytest.fixture(scope="module")
def people(spark):
    """The rows above with their mask and all that follows from it, and what was observed."""
    ignored, checks = meets_conditions(PEOPLE.source.ignore), compile_row_checks(PEOPLE)
    observation = Observation("checks")
    frame = (
        spark.createDataFrame(ROWS, SOURCE_SCHEMA)
        .withColumn("m", *failed_checks(checks, as_of=AS_OF, ignored=ignored))
        .withColumn("judged", ~F.coalesce(ignored, F.lit(False)))
    )
    mask = (F.col("m"),)
    frame = frame.observe(observation, *counts(checks, mask, F.col("judged"))).select(
        "m",
        refusing(checks, mask).alias("refused"),
        reasons(checks, mask).alias("reasons"),
        row_score(checks, mask).alias("score"),
    )
    assert frame.schema["score"].dataType.simpleString() == "decimal(5,2)"
    assert frame.schema["reasons"].dataType.simpleString() == (
        "array<struct<check:string,column:string>>"
    )
    return frame.collect(), observation.get


def test_the_implicit_checks_come_first_then_the_declared_ones(spark):
    ids = [check.id for check in compile_row_checks(PEOPLE).checks]

    assert ids == [
        "key_present", "sequence_present", "value_fits", "stamp_not_ahead",
        "name_there", "amount_range", "known_status",
    ]  # fmt: skip


def test_bits_reasons_and_refusals_agree(people):
    rows, _ = people
    told = [
        (failed_in(row.m), row.refused, [tuple(reason) for reason in row.reasons]) for row in rows
    ]

    assert told == [
        (set(), False, []),
        ({0, 1, 4, 5, 6}, True, [
            ("key_present", "the id"), ("sequence_present", "changed, made"),
            ("name_there", "Name.Full"), ("known_status", "status"), ("amount_range", "amount")]),
        ({5}, False, [("amount_range", "amount")]),
        ({1}, True, [("sequence_present", "changed, made")]),
        ({6}, True, [("known_status", "status")]),
    ]  # fmt: skip


def test_a_row_scores_what_its_heaviest_failed_check_leaves(people):
    rows, _ = people

    assert [row.score for row in rows] == [D("1.00"), D("0.00"), D("0.75"), D("0.00"), D("0.00")]


def test_observed_counts_become_findings_and_a_score(people):
    _, observed = people

    found = findings(compile_row_checks(PEOPLE), observed)

    assert [(each.check, each.failed, each.evaluated) for each in found] == [
        ("key_present", 1, 4), ("sequence_present", 2, 4), ("value_fits", 0, 4),
        ("stamp_not_ahead", 0, 4), ("name_there", 1, 4),
        ("amount_range", 2, 4), ("known_status", 1, 4),
    ]  # fmt: skip
    assert [each.severity for each in found] == [
        *["refuse"] * 3, "warn", "refuse", "warn", "refuse",
    ]  # fmt: skip
    assert [each.outcome == "failed" for each in found] == [bool(each.failed) for each in found]
    # Two refused, one that lost a quarter, one without fault.
    assert judged(observed) == Judged(rows=4, refused=2, lost=2.25)


def test_a_batch_without_rows_has_no_score():
    assert Judged().score is None
    assert Judged().refused_percent == 0


def test_more_checks_than_one_word_has_bits(spark):
    """Each row fails exactly the check of its own number, in whatever word its bit lies."""
    count = 150
    checks = tuple(
        Check(f"not_{n}", "in_set", ("n",), {"values": tuple(m for m in range(count) if m != n)})
        for n in range(count)
    )
    judged_by = compile_row_checks(plain_contract({"n": "int"}, (), checks))
    observation = Observation("many")
    masks = failed_checks(judged_by, as_of=AS_OF, ignored=F.lit(False))
    frame = spark.range(count).select(F.col("id").cast("int").alias("n"), F.col("id").cast("int"))
    frame = frame.select("n", F.array(*masks).alias("m"))
    mask = stored_mask(F.col("m"), judged_by)
    told = frame.observe(observation, *counts(judged_by, mask)).select(
        "n", refusing(judged_by, mask).alias("refused"), reasons(judged_by, mask).alias("r")
    )

    rows = told.collect()

    assert len(masks) == 3
    assert all(row.refused for row in rows)
    assert {row.n: [reason.check for reason in row.r] for row in rows} == {
        n: [f"not_{n}"] for n in range(count)
    }
    failed = {each.check: each.failed for each in findings(judged_by, observation.get)}
    assert {name: rows for name, rows in failed.items() if name.startswith("not_")} == {
        f"not_{n}": 1 for n in range(count)
    }


def test_counting_computes_no_column_of_its_own_before_the_metrics(spark):
    """Spark would make room for it in every row, by a projection that copies them."""
    check = Check("known", "in_set", ("n",), {"values": (1,)})
    judged_by = compile_row_checks(plain_contract({"n": "int"}, (), (check,)))
    rows = spark.range(9).select("id", F.col("id").cast("int").alias("n"))
    (mask,) = failed_checks(judged_by, as_of=AS_OF, ignored=F.lit(False))
    masked = rows.withColumn("m", mask).observe(
        Observation("pass"), *counts(judged_by, (F.col("m"),), F.col("n") > 2)
    )

    plan = masked._jdf.queryExecution().executedPlan().toString()

    assert "CollectMetrics" in plan
    assert "_common_expr" not in plan


def test_references_mark_each_row_once_and_let_nulls_pass(spark):
    check = Check("known_country", "references", ("in",), {"relation": "s.c", "column": "co.de"})
    judged_by = compile_row_checks(plain_contract({"in": "string", "x": "int"}, (), (check,)))
    rows = [(1, "de", 1), (2, "xx", 2), (3, None, 3), (4, "de", 4)]
    frame = spark.createDataFrame(rows, "id int, `in` string, x int")
    countries = spark.createDataFrame([("de",), ("de",), (None,), ("fr",)], "`co.de` string")

    marked = with_references(frame, judged_by, {"s.c": countries})
    (mask,) = failed_checks(judged_by, as_of=AS_OF, ignored=F.lit(False))

    assert marked.columns == ["id", "in", "x", "__known_3"]
    answers = marked.select("id", mask.alias("m"), "__known_3").orderBy("id").collect()
    assert [(r.id, failed_in(r.m), r["__known_3"]) for r in answers] == [
        (1, set(), True), (2, {3}, False), (3, set(), False), (4, set(), True),
    ]  # fmt: skip
    with pytest.raises(ContractError, match=r"the relation s\.c"):
        with_references(frame, judged_by, {})


def test_a_value_lost_on_its_way_refuses_the_row(spark):
    columns = (
        made("age", "int", "direct", "age"),
        made("code", "string", "trim", "code", nullable=False),
        made("born", "date", "first_present", "a", "b"),
        made("wide", "bigint", "direct", "id", nullable=True),
    )
    kinds = {"age": "string", "code": "string", "a": "string", "b": "date"}
    judged_by = compile_row_checks(plain_contract(kinds, columns))
    rows = [
        (1, "7", "x", "2024-01-01", None),
        (2, "seven", " ", "soon", date(2024, 1, 1)),
        (3, None, None, None, None),
    ]
    frame = spark.createDataFrame(rows, "id int, age string, code string, a string, b date")
    mask = failed_checks(judged_by, as_of=AS_OF, ignored=F.lit(False))

    told = frame.select("id", reasons(judged_by, mask).alias("r")).orderBy("id").collect()

    assert [[tuple(reason) for reason in row.r] for row in told] == [
        [],
        [("value_present", "code"), ("value_fits", "age"), ("value_fits", "a, b")],
        [("value_present", "code")],
    ]


def test_a_warning_never_refuses_and_as_of_may_be_in_any_zone(spark):
    check = Check("f", "not_in_future", ("x",), severity=Severity.WARN)
    judged_by = compile_row_checks(plain_contract({"x": "timestamp"}, (), (check,)))
    zoned = AS_OF.astimezone(UTC) - timedelta(hours=2)
    mask = failed_checks(judged_by, as_of=zoned, ignored=F.lit(False))
    frame = spark.createDataFrame(
        [(1, datetime(2024, 5, 1, 11, tzinfo=UTC))], "id int, x timestamp"
    )

    row = frame.select(mask[0].alias("m"), refusing(judged_by, mask).alias("r")).collect()[0]

    assert (failed_in(row.m), row.r) == ({3}, False)
