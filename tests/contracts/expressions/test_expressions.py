"""What may be in the SQL of a contract, what is refused, and what is said about it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.expressions import (
    Aggregate,
    Call,
    Constant,
    ExpressionError,
    Name,
    bind,
    names_in,
    parse_condition,
    parse_metric_query,
)
from contracts.expressions.listed_operations import AGGREGATES, OPERATIONS

KINDS = {
    "amount": "decimal(10,2)", "count": "bigint", "name": "string", "born": "date",
    "made": "timestamp", "active": "boolean", "rate": "double", "raw": "binary",
}  # fmt: skip

# What is written, words of what is said about it, and of the suggestion.
REFUSED = [
    ("", "is empty", "one expression"),
    ("amount >", "can't be read as SQL near line 1", "Spark SQL"),
    ("amount = 'x", "can't be read as SQL", "Spark SQL"),
    ("amount > 1; amount < 2", "more than one statement", "semicolon"),
    ("amnt > 1", "no column amnt", "did you mean amount?"),
    ("Amount > 1", "no column Amount", "did you mean amount?"),
    ("t.amount > 1", "t.amount is not a column", "did you mean amount?"),
    ("amount = 'x'", "a decimal and text", "CAST"),
    ("name > 1", "text and an integer", "CAST"),
    ("active = 1", "a boolean and an integer", "CAST"),
    ("amount + name > 1", "+ takes a number, not text", "decimal(p,s)"),
    ("YEAR(name) = 2024", "takes a date or timestamp, not text", "CAST text to date"),
    ("LENGTH(amount) > 1", "length takes text, not a decimal", "CAST it to string"),
    ("LEFT(name, 1.5) = 'a'", "left takes an integer, not a decimal", "use another column"),
    ("HOUR(born) > 1", "hour takes a timestamp, not a date", "timestamp"),
    ("name AND active", "and takes a boolean, not text", "another column"),
    ("amount LIKE '1%'", "like takes text, not a decimal", "CAST it to string"),
    ("name LIKE name", "like needs a literal", "not an expression"),
    (r"name LIKE 'a\\b'", "a backslash before an ordinary", "for a backslash"),
    ("amount IN (1, 'x')", "a decimal and text", "CAST"),
    ("\"amount\" = 'x' AND active", "compares literals", "in backticks"),
    ("1 = 1 OR active", "compares literals", "in backticks"),
    ("'amount' IS NOT NULL AND active", "compares literals", "in backticks"),
    ("amount IN ()", "in has 1 operand", "2 or more"),
    ("amount = NULL", "never true", "IS NULL"),
    ("amount IN (1, NULL)", "never true", "IS NULL"),
    ("made > 'soon'", "no timestamp", "2024-01-31 12:00:00"),
    ("born > DATE '2024-02-30'", "no date", "2024-01-31"),
    ("CASE WHEN amount THEN 1 END = 1", "a condition after WHEN", ""),
    ("CASE WHEN active THEN 1 ELSE 'x' END = 1", "an integer and text", "CAST"),
    ("CAST(born AS INT) > 1", "a date can't be cast to int", "cast text"),
    ("CAST(name AS INTERVAL) > 1", "a cast to interval is not listed", "decimal(p,s)"),
    ("CAST(name AS ARRAY<INT>) > 1", "a cast to array is not listed", "decimal(p,s)"),
    ("CAST(name AS DECIMAL) > 1", "a cast to decimal is not listed", "decimal(p,s)"),
    ("CAST(name AS DECIMAL(39,2)) > 1", "a cast to decimal is not listed", "decimal(p,s)"),
    ("ROUND(amount, 30) > 1", "round to 30 places", "at most 18"),
    ("ROUND(amount, count) > 1", "round needs a literal", "not an expression"),
    ("raw > 1", "a binary and an integer", "CAST"),
    ("DATEDIFF(MONTH, born, made) > 1", "a difference in month", "days"),
    ("EXTRACT(WEEK FROM born) > 1", "extract of week", "month"),
    ("born + INTERVAL 1 DAY > made", "an interval", "date_add"),
    ("lenght(name) > 1", "the function lenght is not listed", "did you mean length?"),
    ("soundex(name) = 'x'", "the function soundex is not listed", "did you mean"),
    ("reflect('a', 'b') = name", "the function reflect is not listed", "known: abs"),
    ("java_method('a', 'b') = name", "the function java_method is not listed", "known: abs"),
    ("name RLIKE '(a+)+$'", "a regular expression", "the rule matches"),
    ("regexp_like(name, 'x')", "a regular expression", "the rule matches"),
    ("made > current_timestamp", "another value at each run", "not_in_future"),
    ("made > NOW()", "another value at each run", "not_in_future"),
    ("born > CURRENT_DATE", "another value at each run", "not_in_future"),
    ("rate > RAND()", "another value at each run", "leave it out"),
    ("name = UUID()", "another value at each run", "leave it out"),
    ("count > MONOTONICALLY_INCREASING_ID()", "another value at each run", "leave it out"),
    ("SUM(amount) > 1", "the aggregate sum", "of type sql"),
    ("COUNT(*) > 1", "the aggregate count", "of type sql"),
    ("MEDIAN(amount) > 1", "the aggregate median", "of type sql"),
    ("SUM(amount) OVER () > 1", "a window function", "all rows of the batch"),
    ("ROW_NUMBER() OVER (ORDER BY count) = 1", "a window function", "all rows"),
    ("amount > (SELECT MAX(amount) FROM t)", "a query", "the rule references"),
    ("amount IN (SELECT amount FROM t)", "a query", "the rule references"),
    ("EXISTS (SELECT 1)", "a query", "the rule references"),
    ("SELECT 1", "a query", "the rule references"),
    ("DROP TABLE t", "a statement", "amount >= 0"),
    ("DELETE FROM t", "a statement", "amount >= 0"),
    ("CREATE TABLE t (a INT)", "a statement", "amount >= 0"),
    ("* = 1", "a star", "name the columns"),
    ("t.* IS NULL", "", ""),
    ("amount > ?", "a parameter", "the value itself"),
    ("amount > :low", "a parameter", "the value itself"),
    ("amount > ${low}", "a parameter", "the value itself"),
    ("amount > @low", "a parameter", "the value itself"),
    ("name['a'] = 1", "a part of a value", "read a view"),
    ("amount & 1 = 1", "bitwise and is not listed", "AND, OR, NOT"),
    ("amount BETWEEN SYMMETRIC 1 AND 2", "between with symmetric", "leave the option out"),
    ("CEIL(amount, 2) > 1", "ceil with decimals", "leave the option out"),
    ("TRIM('x' FROM name) = ''", "trim with expression", "leave the option out"),
    ("name LIKE ANY ('a', 'b')", "any is not listed", "AND, OR, NOT"),
    ("amount AS x", "alias is not listed", "AND, OR, NOT"),
    ("amount > " + "9" * 40, "more than 38 digits", "1e40"),
    ("amount > 1 OR " * 400 + "active", "longer than 4000", "several checks"),
    ("(" * 200 + "active" + ")" * 200, "nested too deeply", "several checks"),
    ("NOT " * 200 + "active", "nested too deeply", "several checks"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0][:40])
def test_what_is_not_listed_is_refused_with_a_suggestion(case):
    text, found, suggestion = case

    with pytest.raises(ExpressionError) as caught:
        bind(parse_condition(text), KINDS)

    assert found in caught.value.found
    assert suggestion in caught.value.suggestion


def test_a_condition_is_a_small_tree():
    tree, gives = bind(parse_condition("amount BETWEEN 0 AND 9.5 AND NOT active"), KINDS)

    amount = Name("amount")
    assert gives == "boolean"
    assert tree == Call(
        "and",
        (
            Call(
                "and",
                (
                    Call(">=", (amount, Constant(0))),
                    Call("<=", (amount, Constant(Decimal("9.5")))),
                ),
            ),
            Call("not", (Name("active"),)),
        ),
    )
    assert names_in(tree) == ("amount", "active")


def test_a_long_chain_is_not_nested():
    tree = parse_condition(" OR ".join(f"count = {number}" for number in range(200)))

    assert isinstance(tree, Call)
    assert len(tree.operands) == 200


QUERIES = [
    ("SELECT COUNT(DISTINCT count) FROM t", "DISTINCT", "duplicateValues"),
    ("SELECT DISTINCT COUNT(*) FROM t", "DISTINCT is not listed", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t GROUP BY name", "GROUP BY", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t HAVING COUNT(*) > 1", "HAVING", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t ORDER BY 1", "ORDER BY", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t LIMIT 1", "LIMIT", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t JOIN u ON 1 = 1", "a join", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t, u", "a join", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t LATERAL VIEW EXPLODE(name) v", "a lateral view", "SELECT"),
    ("SELECT COUNT(*) FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE", "SELECT"),
    ("WITH t AS (SELECT 1) SELECT COUNT(*) FROM t", "WITH", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t UNION SELECT 1", "is not one SELECT", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM (SELECT 1) t", "reads a query", "SELECT <aggregate>"),
    ("SELECT COUNT(*)", "reads no table", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM secrets", "reads secrets", "${object}"),
    ("SELECT COUNT(*) FROM other.t", "reads other.t", "${object}"),
    ("SELECT COUNT(*), 1 FROM t", "more than one value", "one check per value"),
    ("SELECT * FROM t", "a star", "name the columns"),
    ("SELECT 1 FROM t", "has no aggregate", "SELECT <aggregate>"),
    ("SELECT amount FROM t", "outside of an aggregate", "max(amount)"),
    ("SELECT SUM(amount) / amount FROM t", "outside of an aggregate", "max(amount)"),
    ("SELECT MAX(SUM(amount)) FROM t", "the aggregate sum", "count_if"),
    ("SELECT SUM(amount) OVER () FROM t", "a window function", "all rows"),
    ("SELECT MEDIAN(amount) FROM t", "the aggregate median", "count_if"),
    ("SELECT COUNT(amount, name) FROM t", "count with expressions", "leave the option out"),
    ("SELECT MAX(name) FROM t", "max takes", ""),
    ("SELECT COUNT(*) FROM t WHERE amount", "WHERE needs a condition", ""),
    ("SELECT COUNT(*) FROM t WHERE SUM(amount) > 1", "the aggregate sum", ""),
    ("SELECT COUNT(*) FROM t WHERE u.amount > 1", "u.amount is not a column", "mean amount"),
    ("SELECT COUNT(*) FROM ${objct}", "unknown placeholder ${objct}", "did you mean object?"),
    ("SELECT COUNT(${property}) FROM t", "belongs to none", "of a property"),
    ("DROP TABLE t", "is not one SELECT", "SELECT <aggregate>"),
    ("SELECT COUNT(*) FROM t; SELECT 1", "more than one statement", "semicolon"),
    ("INSERT INTO t SELECT COUNT(*) FROM t", "is not one SELECT", "SELECT <aggregate>"),
]


@pytest.mark.parametrize("case", QUERIES, ids=lambda case: case[0][:50])
def test_a_query_is_one_aggregate_of_the_one_table(case):
    text, found, suggestion = case

    with pytest.raises(ExpressionError) as caught:
        bind(parse_metric_query(text, ("t", "ns.t")), KINDS)

    assert found in caught.value.found
    assert suggestion in caught.value.suggestion


@pytest.mark.parametrize(
    "text",
    [
        "SELECT COUNT(*) FROM ${object} WHERE ${property} IS NULL",
        "select count(*) from {table} where {column} is null",
        "SELECT COUNT(*) AS bad FROM ns.t x WHERE x.amount IS NULL",
        "SELECT COUNT(*) FILTER (WHERE amount IS NULL) FROM t",
    ],
)
def test_a_query_may_be_written_in_several_ways(text):
    figure = parse_metric_query(text, ("t", "ns.t"), "amount")

    assert figure == Aggregate("count", None, Call("is_null", (Name("amount"),)))


words = st.sampled_from(
    [
        *KINDS, *(name for name in OPERATIONS if name.isidentifier()), *AGGREGATES, "(", ")", ",",
        "'x'", "1", "2.5", "NULL", "TRUE", "AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "IS", "=",
        "<", ">", "+", "-", "*", "/", "%", "||", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST",
        "AS", "INT", "DATE", "SELECT", "FROM", "WHERE", "t", ";", "--", "/*", "*/", "`", '"',
        "$", "{", "}", ":", "?", ".", "[", "]", "->", "::", "OVER", "DISTINCT", "INTERVAL", "\\",
    ]
)  # fmt: skip


def listed(expression):
    match expression:
        case Call(operation, operands):
            return operation in OPERATIONS and all(map(listed, operands))
        case Aggregate(function, operand, where):
            below = [each for each in (operand, where) if each is not None]
            return function in AGGREGATES and all(map(listed, below))
        case Name(name):
            return name in KINDS
        case _:
            return True


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(words, max_size=12).map(" ".join), st.text(max_size=30)))
def test_whatever_is_written_is_a_listed_expression_or_a_told_mistake(text):
    for parse in (parse_condition, lambda each: parse_metric_query(each, ("t",))):
        outcome = bound_or_told(parse, text)
        assert listed(outcome) if not isinstance(outcome, ExpressionError) else outcome.found


def bound_or_told(parse, text):
    try:
        return bind(parse(text), KINDS)[0]
    except ExpressionError as error:
        return error
