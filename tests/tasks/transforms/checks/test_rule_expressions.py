"""Rules whose checks look at several columns, at text as a type, and at the target's values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.errors import IllegalArgumentException
from pyspark.sql import Observation
from pyspark.sql import functions as F

from contracts.model import Check, Comparison, Severity, SourceColumn, Threshold
from contracts.model.check_registry import RULES
from contracts.validation.validate_checks import check_rule
from contracts.yaml_reading.problem_report import Report
from contracts.yaml_reading.yaml_section import Section
from tasks.transforms.checks.rule_expressions import Subject, batch_aggregate, broken
from tests.tasks.transforms.examples import AS_OF

D = Decimal
LIMIT = Threshold(Comparison.EQUAL, (0.0,))
UUID = "123e4567-e89b-12d3-a456-42661417400A"

# rule, arguments, the type of its column, values that pass, values that fail.
CASES = [
    ("type", {"type": "int"}, "string", ["1", " -2 ", "+3"], ["", "x", "1.5", "2147483648", "1e3"]),
    ("type", {"type": "bigint"}, "string", ["2147483648"], ["9223372036854775808", "NaN"]),
    ("type", {"type": "decimal(5,2)"}, "string", [
        "1", "-123.45", " 1.500 ", ".5", "000001.1", "1."], [
        "", ".", "1234", "1.234", "1e3", "1,5", "--1", "NaN", "1.5\n2"]),
    ("type", {"type": "decimal(38,0)"}, "string", ["9" * 38], ["9" * 39, "1.5"]),
    ("type", {"type": "double"}, "string", ["1e3", "-0.5"], ["1,5", "one"]),
    ("type", {"type": "date"}, "string", ["2024-02-29"], ["2023-02-29", "29.02.2024", "soon"]),
    ("type", {"type": "timestamp"}, "string", ["2024-02-29 12:00:00"], ["2024-02-29 25:00", "x"]),
    ("type", {"type": "boolean"}, "string", ["true", "F"], ["2", "maybe"]),
    ("type", {"type": "uuid"}, "string", [UUID, UUID.lower()], [UUID[1:], f"{UUID} ", "x"]),
    ("length", {"min": 2}, "string", ["ab", "😀😀"], ["a", ""]),
    ("length", {"max": 2}, "string", ["", "ab"], ["abc"]),
    ("length", {"min": 1, "max": 2}, "string", ["a", "ab"], ["", "abc"]),
    ("missing_values", {"values": ("", "N/A")}, "string", ["n/a", " "], ["", "N/A"]),
    ("missing_values", {"values": (0, 9.5)}, "decimal(5,2)", [D("9.51")], [D(0), D("9.50")]),
    ("invalid_values", {"values": ("kg", "lb")}, "string", ["kg"], ["KG", ""]),
    ("invalid_values", {"pattern": "b+"}, "string", ["abc", "b"], ["ac"]),
    ("invalid_values", {"pattern": "^b$", "values": ("a", "b")}, "string", ["b"], ["a", "bb"]),
    ("invalid_values", {"values": ("2024-01-01",)}, "date", [date(2024, 1, 1)], [
        date(2024, 1, 2)]),
]  # fmt: skip
FAILS_NULL = [
    ("null_values", {}, "string", ["", " "], []),
    ("missing_values", {"values": (None,)}, "string", [""], []),
    ("missing_values", {"values": (None, "-")}, "string", [""], ["-"]),
    ("missing_values", {"values": (None,)}, "double", [float("nan")], []),
]
ALL = [*CASES, *FAILS_NULL]


@pytest.fixture(scope="module")
def verdicts(spark):
    """Per case the answers for its values and for a null."""
    depth = max(len(case[3]) + len(case[4]) for case in ALL) + 1
    cells = [[*case[3], *case[4], *[None] * depth][:depth] for case in ALL]
    rows = [(row, *[column[row] for column in cells]) for row in range(depth)]
    schema = ", ".join(f"c{number} {case[2]}" for number, case in enumerate(ALL))
    frame = spark.createDataFrame(rows, f"row int, {schema}").orderBy("row")
    # The names of the checks' columns are not columns of the rows: they stand for values.
    answers = []
    for number, (rule, arguments, kind, _, _) in enumerate(ALL):
        subject = Subject({"name": kind}, AS_OF, "", {"name": F.col(f"c{number}")})
        check = Check(f"c{number}", rule, ("name",), arguments, about_target=True)
        answers.append(broken(check, subject))
    return list(zip(*(tuple(row) for row in frame.select(*answers).collect()), strict=True))


@pytest.mark.parametrize("number", range(len(ALL)), ids=lambda n: f"{n}-{ALL[n][0]}")
def test_a_rule_fails_what_breaks_it(verdicts, number):
    _, _, _, good, bad = ALL[number]
    found = verdicts[number]

    assert found[: len(good)] == (False,) * len(good)
    assert found[len(good) : len(good) + len(bad)] == (True,) * len(bad)
    assert found[-1] is (number >= len(CASES))


KINDS = {"amount": "decimal(10,2)", "status": "string", "born": "date", "rate": "double"}
LEDGER = [
    (D("1.00"), "ACTIVE", date(2000, 1, 1), 0.5),
    (D("-1.00"), "ACTIVE", date(2000, 1, 1), float("nan")),
    (D("-1.00"), "CLOSED", None, 0.0),
    (None, "ACTIVE", None, None),
    (D("-1.00"), None, None, 2.0),
    (None, None, None, -1.0),
]
CONDITIONS = [
    ({"then": "amount >= 0"}, [0, 1, 1, 0, 1, 0]),
    ({"then": "amount >= 0", "when": "status = 'ACTIVE'"}, [0, 1, 0, 0, 0, 0]),
    ({"then": "amount IS NOT NULL", "when": "status = 'ACTIVE'"}, [0, 0, 0, 1, 0, 0]),
    ({"then": "born IS NOT NULL OR amount < 0"}, [0, 0, 0, 0, 0, 0]),
    ({"then": "status <> 'ACTIVE' AND amount > 0"}, [1, 1, 1, 1, 1, 0]),
    # NaN is above every number; division by zero is unknown.
    ({"then": "rate BETWEEN 0 AND 1"}, [0, 1, 0, 0, 1, 1]),
    ({"then": "amount / rate > 0", "when": "rate <= 1"}, [0, 0, 0, 0, 0, 0]),
    ({"then": "YEAR(born) > 2000"}, [1, 1, 0, 0, 0, 0]),
]


@pytest.fixture(scope="module")
def ledger(spark):
    schema = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    rows = [(number, *row) for number, row in enumerate(LEDGER)]
    return spark.createDataFrame(rows, f"row int, {schema}").orderBy("row")


def test_a_condition_is_broken_where_it_is_false_and_applies(ledger):
    subject = Subject(KINDS, AS_OF, "")
    checks = [
        Check(str(number), "condition", ("amount",), given)
        for number, (given, _) in enumerate(CONDITIONS)
    ]

    found = ledger.select(*[broken(check, subject) for check in checks]).collect()

    assert [list(map(int, column)) for column in zip(*found, strict=True)] == [
        expected for _, expected in CONDITIONS
    ]


def metric(rule, query=""):
    given = {"query": query} if query else {}
    return Check("x", rule, (), given, Severity.WARN, 0.0, about_target=True, threshold=LIMIT)


def test_figures_of_a_batch_come_with_the_write(ledger):
    subject = Subject({"sum": "decimal(10,2)"}, AS_OF, "", {"sum": F.col("amount")})
    counted = F.col("row") != 1
    unknown = F.col("amount") > -10
    figures = {
        "rows": batch_aggregate(metric("row_count"), subject),
        "counted": batch_aggregate(metric("row_count"), subject, counted),
        "known": batch_aggregate(metric("row_count"), subject, unknown),
        "total": batch_aggregate(metric("sql", "SELECT SUM(`sum`) FROM `t`"), subject, counted),
        "any": batch_aggregate(metric("sql", "SELECT MAX(`sum`) > 0 FROM `t`"), subject),
        "none": batch_aggregate(metric("sql", "SELECT SUM(`sum`) / 0 FROM `t`"), subject),
    }
    seen = Observation()
    columns = [column.alias(name) for name, column in figures.items()]
    ledger.observe(seen, *columns).write.format("noop").mode("overwrite").save()

    assert seen.get == {
        "rows": 6.0, "counted": 5.0, "known": 4.0, "total": -1.0, "any": 1.0, "none": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        r"\p{Lu}\p{L}*", r"[\p{Alpha}&&[^x]]+", r"(?<year>\d{4})-\k<year>", r"\\p+", r"a\Rb",
        r"\h+",
        r"(?<=a)b", r"a++", r"(?P<year>\d{4})", r"(?P=year)", r"(a)?(?(1)b|c)", r"(?a)b", r"\(?P<",
        "(", "a**",
    ],
)  # fmt: skip
def test_a_contract_takes_just_the_patterns_that_java_compiles(spark, pattern):
    report = Report(Path("lots.yaml"))
    columns = {"name": SourceColumn("name", "string")}
    check_rule(
        Section({}, "", report),
        Check("form", "matches", ("name",), {"pattern": pattern}),
        RULES["matches"],
        columns,
    )
    try:
        spark._jvm.java.util.regex.Pattern.compile(pattern)
        compiles = True
    except IllegalArgumentException:
        compiles = False

    assert bool(report.problems) is not compiles
