"""The pandera schema that a contract becomes, beside the conditions that Spark runs."""

from __future__ import annotations

import importlib.util
import struct
import warnings
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pandas as pd
import pandera.errors
import pytest
from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.loader import TABLES, load_contracts
from contracts.model import Check, Comparison, Severity, SourceColumn, Threshold
from contracts.model.check_registry import RULES, STANDARD_RULES, Scope
from contracts.pandas_twin.java_patterns import python_pattern
from contracts.pandas_twin.pandera_module import pandera_module
from contracts.schemas.contract_to_spark_types import data_type
from tasks.transforms.checks.rule_expressions import Subject, broken
from tests.tasks.transforms.examples import AS_OF, contract

D = Decimal
SECOND = timedelta(seconds=1)
NAN, INF = float("nan"), float("inf")
SINGLE = struct.unpack("<f", struct.pack("<f", 0.1))[0]

TEXTS = [
    None, "", " ", "\t\n", "\u00a0", "\u2003\u3000", "\u200b", "\x1c", "\x85", "a", "A", " a", "a ",
    "ab", "abc", "abcd", "a\n", "a\r", "a\nb", "a\u2028b", "é", "e\u0301", "😀", "😀😀😀", "123",
    "\u0661\u0662", "12", "x.y", "K", "\u212a", "\u017f", "NaN", "null", "a@b", "a@b\n",
    "\ud7ff\ue000", "\ufffd", "0",
]  # fmt: skip
READABLE = ["tinyint", "int", "bigint", "double", "decimal(4,2)", "boolean", "date", "timestamp",
            "uuid"]  # fmt: skip
FORMS = [
    "-1", "+1", " 1 ", "\t1\n", "1.0", "1.", ".5", ".", "-", "1e3", "1E-3", "1d", "1f", "1L", "0x1",
    "127", "128", "-128", "2147483648", "9223372036854775807", "9223372036854775808", "99.99",
    "100.00", "1.234", "1.230", "0099.9", "--1", "1 2", "1_000", "inf", "-Infinity", "+inf", "nan",
    "-nan", "t", "TRUE", "Yes", "n", "off", "2", "2024-05-01", "2024-5-1", "2024-05-01 x",
    "2024-05-01T", "2024-05-01T12:00:00Z", " 2024-05-01 12:00 ", "2024-02-30", "2024",
    "123e4567-e89b-12d3-a456-426614174000", "123E4567-e89b-12d3-a456-426614174000 ",
    "123e4567e89b12d3a456426614174000", "1\u00a0", "\x001", "1\x85", "1e400", "\u0661",
]  # fmt: skip
TEXTS += FORMS
TIMES_AS_TEXT = [
    None, "", "x", "2024", "2024-05", "2024-5-1", "2024-05-01", " 2024-05-01 ", "2024-05-01T12:00",
    "2024-05-01 12:00:00", "2024-05-01 12:00:00.5", "2024-05-01T12:00:00.123456789",
    "2024-05-01T12:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01T12:00:00-05", "2024-02-30",
    "2024-05-01T24:00:00", "2024-05-01T12:60:00", "2024-05-01 12:00:00 UTC", "0001-01-01",
    "9999-12-31 23:59:59", "2024-05-01T12:00:00 Europe/Paris", "2024-05-01x", "20240501", "2024-13",
    "2024-05-01T1:2:3",
]  # fmt: skip
DECIMALS = [None, D(0), D("-0.01"), D("0.01"), D("2.5"), D("2.50"), D("999.99"), D("-999.99"), D(1)]
FLOATS = [None, NAN, INF, -INF, 0.0, -0.0, 0.1, SINGLE, 0.5, 2.5, -0.1, 1e308, 1e-300, 100.0]
WHOLE = [None, 0, 1, -1, 2, 3, 2**31 - 1, -(2**31), 100]
DAYS = [None, date(1, 1, 1), date(2023, 12, 31), date(2024, 1, 1), date(2024, 5, 1),
        date(2024, 5, 2), date(9999, 12, 31)]  # fmt: skip
MOMENTS = [
    None, AS_OF, AS_OF + timedelta(microseconds=1), AS_OF - SECOND, AS_OF + 10 * SECOND,
    AS_OF + timedelta(seconds=10, microseconds=1), datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1600, 2, 29, 1, 2, 3, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
]  # fmt: skip

PATTERNS = [
    r"a|b+", r".", r"..", r"\d{3}", r"\w", r"[^@ ]+@[^@ ]+", r"^[^@ ]+@[^@ ]+$", r"(?i)k", r"(?i)s",
    r"(?s)a.b", r"a.b", r"\s*", r"a\s", r"(?<first>a).*", r"[.]|x\.y", r"", r"(a|ab)(c|bcd)?\z",
    r"\S", r"[^a]", r"(?:a|123)$", r"\W+", r"[\d]+", r"a++b?", r"(?=a)\w\w", r"\Aa",
]  # fmt: skip

# rule, arguments, types of the columns, their values (several columns: every pair of them).
CASES = [
    *(
        ("required", {}, [kind], [values])
        for kind, values in [
            ("string", TEXTS), ("double", FLOATS), ("decimal(6,2)", DECIMALS),
            ("timestamp", MOMENTS), ("bigint", WHOLE), ("boolean", [None, True, False]),
            ("binary", [None, b"", b"\x00"]),
        ]
    ),
    ("not_blank", {}, ["string"], [TEXTS]),
    *(("max_length", {"length": length}, ["string"], [TEXTS]) for length in (0, 1, 3)),
    *(
        ("length", bounds, ["string"], [TEXTS])
        for bounds in ({"min": 1}, {"max": 2}, {"min": 2, "max": 3}, {"min": 0, "max": 0})
    ),
    *(("type", {"type": kind}, ["string"], [TEXTS]) for kind in READABLE),
    ("in_set", {"values": ("A", "é", "", "NaN")}, ["string"], [TEXTS]),
    ("in_set", {"values": (1, 2.5)}, ["decimal(6,2)"], [DECIMALS]),
    ("in_set", {"values": (0.1, 0, 2.5)}, ["double"], [FLOATS]),
    ("in_set", {"values": (0.1, 0, 2.5)}, ["float"], [[each for each in FLOATS if each != 1e308]]),
    ("in_set", {"values": (1, 2.5, -1)}, ["int"], [WHOLE]),
    ("in_set", {"values": (True,)}, ["boolean"], [[None, True, False]]),
    ("in_set", {"values": ("2024-01-01", "2024-5-1")}, ["date"], [DAYS]),
    ("in_set", {"values": ("2024-05-01 12:00:00", "2024-05-01")}, ["timestamp"], [MOMENTS]),
    ("between", {"low": 0, "high": 2.5}, ["decimal(6,2)"], [DECIMALS]),
    ("between", {"low": 0.005}, ["decimal(6,2)"], [DECIMALS]),
    ("between", {"low": 0.5}, ["int"], [WHOLE]),
    ("between", {"high": 2}, ["bigint"], [WHOLE]),
    ("between", {"low": 0.1}, ["double"], [FLOATS]),
    ("between", {"low": 0.1}, ["float"], [[each for each in FLOATS if each != 1e308]]),
    ("between", {"low": 0, "high": 2.5}, ["double"], [FLOATS]),
    ("between", {"low": "a", "high": "é"}, ["string"], [TEXTS]),
    ("between", {"low": "2024-01-01", "high": "2024-05-01"}, ["date"], [DAYS]),
    ("between", {"low": "2024-05-01", "high": "2024-05-01T12:00:00"}, ["timestamp"], [MOMENTS]),
    *(("matches", {"pattern": pattern}, ["string"], [TEXTS]) for pattern in PATTERNS),
    ("not_after", {}, ["timestamp", "timestamp"], [MOMENTS, MOMENTS]),
    ("not_after", {}, ["date", "timestamp"], [DAYS, MOMENTS]),
    ("not_after", {}, ["timestamp", "date"], [MOMENTS, DAYS]),
    ("not_after", {}, ["string", "string"], [TIMES_AS_TEXT, TIMES_AS_TEXT]),
    ("not_after", {}, ["double", "double"], [FLOATS, FLOATS]),
    ("not_after", {}, ["decimal(6,2)", "double"], [DECIMALS, FLOATS]),
    ("not_after", {}, ["int", "decimal(6,2)"], [WHOLE, DECIMALS]),
    *(
        ("condition", arguments, ["string"], [TEXTS])
        for arguments in (
            {"then": "length(a) <= 2"}, {"then": "a like 'a%'"}, {"then": r"a like '_@_\%'"},
            {"then": "lower(a) = 'k'"}, {"then": "upper(a) in ('A', 'S')"},
            {"then": "trim(a) = a"},
            {"then": "a is not null", "when": "a is null"},
            {"then": "a is null or a > 'a'"},
            {"then": "a || 'x' = 'ax'"}, {"then": "replace(a, 'a', '') = ''", "when": "a <> ''"},
            {"then": "left(a, 2) = 'ab' or right(a, 1) = 'a'"}, {"then": "startswith(a, 'a')"},
            {"then": "contains(a, ' ') and not endswith(a, ' ')"}, {"then": "nullif(a, 'a') = 'b'"},
            {"then": "coalesce(a, 'x') <> 'x'"}, {"then": "a <=> null"},
            {"then": "case when a = 'a' then 1 when length(a) > 2 then 2 end = 1"},
            {"then": "a between 'a' and 'b'"}, {"then": "ltrim(a) <> rtrim(a)"},
        )
    ),
    *(
        ("condition", arguments, kinds, [WHOLE, other])
        for kinds, other in (
            (["int", "int"], WHOLE),
            (["int", "decimal(6,2)"], DECIMALS),
            (["int", "double"], FLOATS),
        )
        for arguments in (
            {"then": "a < b"}, {"then": "a <= b", "when": "b >= 0"}, {"then": "a = b"},
            {"then": "a <> b"}, {"then": "a <=> b"}, {"then": "a in (1, b, 2.5)"},
            {"then": "a >= b and b > 0.5 or a is null"}, {"then": "not (a > 1 and b > 1)"},
            {"then": "coalesce(b, a) > 0"}, {"then": "case when a > 1 then a else b end > 1"},
        )
    ),
    *(
        ("condition", arguments, ["int", "int"], [WHOLE, WHOLE])
        for arguments in ({"then": "a + b > 0"}, {"then": "a * b <= a - b"}, {"then": "a * 2 > b"},
                          {"then": "a + 3000000000 > b"})
    ),
    *(
        ("condition", arguments, ["double", "double"], [FLOATS, FLOATS])
        for arguments in ({"then": "a + b > 0"}, {"then": "a * b <= a - b"}, {"then": "a = b"},
                          {"then": "a <= b"})
    ),
    *(
        ("condition", arguments, ["date", "timestamp"], [DAYS, MOMENTS])
        for arguments in (
            {"then": "a <= b"}, {"then": "a = b"}, {"then": "year(a) = year(b)"},
            {"then": "date_diff(b, a) >= 1"}, {"then": "to_date(b) = a"},
            {"then": "b >= '2024-05-01 12:00:00'", "when": "a > '2024-01-01'"},
            {"then": "month(a) = 5 and hour(b) < 13"}, {"then": "quarter(b) = 2 or second(b) = 3"},
            {"then": "day(b) = 1"}, {"then": "minute(b) = 2"}, {"then": "a in ('2024-05-01')"},
        )
    ),
    ("not_in_future", {}, ["timestamp"], [MOMENTS]),
    ("not_in_future", {"tolerance_seconds": 10}, ["timestamp"], [MOMENTS]),
    ("not_in_future", {"tolerance_seconds": 0.5}, ["date"], [DAYS]),
]  # fmt: skip


def judging(checks, kinds, **column):
    """A contract whose source has columns a, b, ... of these types, and these checks."""
    columns = tuple(
        SourceColumn(name, kind, **column) for name, kind in zip("abcdef", kinds, strict=False)
    )
    made = contract(checks=tuple(checks))
    return replace(made, source=replace(made.source, columns=columns))


def imported(text, tmp_path):
    """The module of that text, as a user imports it."""
    path = tmp_path / "twin.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("twin", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(values):
    if len(values) == 1:
        return [(value,) for value in values[0]]
    return [(one, other) for one in values[0] for other in values[1]]


def frame_of(rows, kinds):
    return pd.DataFrame(
        {
            name: pd.Series([row[position] for row in rows], dtype=object)
            for position, name in enumerate("abcdef"[: len(kinds)])
        }
    )


def failures(schema, frame):
    """By check, the rows that fail it."""
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        assert cases["index"].notna().all(), cases
        return {name: {*cases.loc[cases["check"] == name, "index"]} for name in {*cases["check"]}}
    return {}


def grouped(cases):
    """The cases by the types of their columns: one frame and one query serves them all."""
    groups = {}
    for rule, arguments, kinds, values in cases:
        group = groups.setdefault(tuple(kinds), ([], rows_of(values)))
        assert group[1] == rows_of(values)
        columns = tuple("abcdef"[: len(kinds)])
        group[0].append(Check(f"{rule}_{len(group[0])}", rule, columns, arguments))
    return groups


GROUPS = grouped(CASES)


@pytest.mark.parametrize("kinds", GROUPS, ids="-".join)
def test_pandas_and_spark_say_the_same_of_each_row(spark, tmp_path, kinds):
    checks, rows = GROUPS[kinds]
    columns = "abcdef"[: len(kinds)]
    schema = T.StructType(
        [
            T.StructField("row", T.IntegerType()),
            *(
                T.StructField(name, data_type(kind))
                for name, kind in zip(columns, kinds, strict=True)
            ),
        ]
    )
    spark_rows = spark.createDataFrame([(n, *row) for n, row in enumerate(rows)], schema)
    subject = Subject(dict(zip(columns, kinds, strict=True)), AS_OF, "")
    judged = spark_rows.select(
        "row", *[broken(check, subject).alias(check.id) for check in checks]
    ).collect()
    twin = imported(pandera_module(judging(checks, kinds)), tmp_path)

    found = failures(twin.make_schema(AS_OF), frame_of(rows, kinds))

    for check in checks:
        refused = {row["row"] for row in judged if row[check.id]}
        differing = sorted(refused ^ found.pop(check.id, set()))
        assert (check, [rows[n] for n in differing]) == (check, [])
    assert found == {}


def test_each_row_rule_is_compared():
    compared = {rule for rule, *_ in CASES}

    of_a_row = {name for name, rule in RULES.items() if rule.scope is Scope.ROW}
    assert compared == of_a_row - STANDARD_RULES


@pytest.mark.parametrize(
    "pattern",
    [r"[a-z&&[^b]]", r"[[a]b]", r"\bword", r"a$\n", r"(?m)^a$", r"\p{L}", r"a\Z", r"a(?i)b", "("],
)
def test_a_pattern_without_an_equal_is_named_and_not_taken_over(pattern, tmp_path):
    check = Check("odd", "matches", ("a",), {"pattern": pattern})

    text = pandera_module(judging([check], ["string"]))

    assert python_pattern(pattern) is None
    assert "- odd: Python's regular expressions have no equal of its pattern" in text
    assert failures(imported(text, tmp_path).make_schema(), frame_of([("x",)], ["string"])) == {}


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ("decimal(6,2)", "a / 3 > 0"), ("decimal(6,2)", "a + 1 > 0"), ("float", "a + 1 > 0"),
        ("string", "cast(a as int) > 0"), ("string", "substring(a, 1, 2) = 'a'"),
        ("bigint", "a % 2 = 0"), ("double", "round(a) > 0"),
    ],
)  # fmt: skip
def test_a_condition_without_an_exact_equal_is_named_and_not_taken_over(kind, then):
    check = Check("odd", "condition", ("a",), {"then": then})

    text = pandera_module(judging([check], [kind]))

    assert "- odd: pandas has no exact equal of an operation in its condition" in text
    assert "check('odd'" not in text


def test_values_of_another_type_are_reported_and_break_no_rule(tmp_path):
    check = Check("short", "max_length", ("a",), {"length": 1})
    twin = imported(pandera_module(judging([check], ["string", "bigint"])), tmp_path)
    frame = pd.DataFrame({"a": ["xx", 12, None], "b": [1, True, 2**63]}, dtype=object)

    found = failures(twin.make_schema(), frame)

    assert found == {"short": {0}, "type string": {1}, "type bigint": {1, 2}}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("tinyint", [127, -128], [128, 1.0, "1"]),
        ("int", [2**31 - 1], [2**31, D(1)]),
        ("decimal(5,2)", [D("999.99"), D("1.10"), 5, D("1E2"), D("0.00")], [
            D("1000"), D("0.001"), D("NaN"), 0.5]),
        ("double", [0.5, NAN, 1], ["0.5", True, D(1)]),
        ("boolean", [True, False], [0, "true"]),
        ("date", [date(2024, 1, 1), datetime(2024, 1, 1)], [datetime(2024, 1, 1, 1), "2024-01-01"]),
        ("timestamp", [AS_OF, datetime(2024, 1, 1), pd.Timestamp(AS_OF)], [date(2024, 1, 1), 1]),
        ("binary", [b""], ["", bytearray(b"x")]),
    ],
)  # fmt: skip
def test_types_are_exact(tmp_path, kind, good, bad):
    twin = imported(pandera_module(judging([], [kind])), tmp_path)
    frame = frame_of([(value,) for value in [*good, None, *bad]], [kind])

    found = failures(twin.make_schema(), frame)

    assert found == {f"type {kind}": {*range(len(good) + 1, len(good) + 1 + len(bad))}}


def test_typed_columns_of_pandas_are_read_as_pandas_means_them(tmp_path):
    kinds = ["bigint", "double", "string", "timestamp", "boolean", "date"]
    checks = [Check(f"{n}_there", "required", (n,)) for n in "abcdef"]
    twin = imported(pandera_module(judging(checks, kinds)), tmp_path)
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None], dtype="Int64"),
            "b": pd.array([1.5, NAN], dtype="float64"),
            "c": pd.array(["x", None], dtype="string"),
            "d": pd.to_datetime(["2024-05-01T12:00:00Z", None]),
            "e": pd.array([True, None], dtype="boolean"),
            "f": pd.to_datetime(["2024-05-01", None]),
        }
    )

    assert failures(twin.make_schema(), frame) == {f"{n}_there": {1} for n in "abcdef"}


def test_a_column_that_may_not_be_null_or_is_not_there(tmp_path):
    twin = imported(pandera_module(judging([], ["double", "string"], nullable=False)), tmp_path)

    found = failures(
        twin.make_schema(), pd.DataFrame({"a": [NAN, None], "b": ["", None]}, dtype=object)
    )

    assert found == {"not null": {1}}
    with pytest.raises(pandera.errors.SchemaErrors, match="COLUMN_NOT_IN_DATAFRAME"):
        twin.make_schema().validate(pd.DataFrame({"a": [1.0]}), lazy=True)


def test_a_check_that_warns_warns(tmp_path):
    check = Check("listed", "in_set", ("a",), {"values": ("A",)}, severity=Severity.WARN)
    twin = imported(pandera_module(judging([check], ["string"])), tmp_path)
    frame = frame_of([("A",), ("B",)], ["string"])

    with pytest.warns(pandera.errors.SchemaWarning, match="listed"):
        twin.make_schema().validate(frame, lazy=True)
    assert failures(twin.make_schema(refuse_warnings=True), frame) == {"listed": {1}}


def test_what_one_row_does_not_decide_is_named():
    limit = Threshold(Comparison.LESS_OR_EQUAL, (5,))
    text = pandera_module(
        judging(
            [
                Check("once", "unique", ("a",)),
                Check("few", "required", ("a",), threshold=limit),
                Check("stored", "required", ("a",), about_target=True),
            ],
            ["string"],
        )
    )

    assert "- once: unique needs more than one row" in text
    assert "- few: its limit is one of the whole batch" in text
    assert "- stored: it looks at the columns of the target" in text


def test_a_constant_that_is_no_value_of_the_type_is_refused_with_its_place():
    check = Check("since", "between", ("a",), {"low": "yesterday"})

    with pytest.raises(ContractError, match="check since"):
        pandera_module(judging([check], ["date"]))


def test_no_text_of_a_contract_becomes_code(tmp_path):
    odd = '"""\nraise SystemExit\n"""\\'
    check = Check("c", "in_set", ("a",), {"values": (odd, "'", "\n")})
    made = replace(judging([check], ["string"]), name=odd, version=odd)

    twin = imported(pandera_module(made), tmp_path)

    assert failures(twin.make_schema(), frame_of([(odd,), ("x",)], ["string"])) == {"c": {1}}


@pytest.mark.parametrize("name", load_contracts(TABLES))
def test_every_shipped_contract_has_a_twin_that_can_be_imported(name, tmp_path):
    made = load_contracts(TABLES)[name]
    text = pandera_module(made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = imported(text, tmp_path)

    schema = twin.make_schema(AS_OF)

    assert [*schema.columns] == [column.name for column in made.source.columns]
    said = {each.name for each in schema.checks}
    said |= {each.name for column in schema.columns.values() for each in column.checks}
    assert {check.id for check in made.checks if f"- {check.id}: " not in text} <= said
    assert "import contracts" not in text
