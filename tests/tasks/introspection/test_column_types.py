from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from contracts.model.source_relation import (
    ColumnDetails,
    Relation,
    RelationColumn,
    RelationDetails,
)
from contracts.schemas.contract_to_spark_types import data_type
from tasks.introspection.column_types import column_types, says
from tasks.introspection.sampled_rows import Sample
from tasks.source.sql_dialects.mariadb_sql import MARIADB
from tasks.source.sql_dialects.sqlite_sql import SQLITE
from tasks.source.text_to_spark_types import value_of_text
from tests.tasks.source.test_text_to_spark_types import SAID, UNSAID

KINDS = ("boolean", "decimal(5,2)", "decimal(38,0)", "date", "timestamp")
ODD = (
    *("2024-05-01 10:20:30+18:00", "2024-05-01 10:20:30-18:01", "2024-05-01 10:20:30+00:60"),
    *("2024-05-01 23:59:59.999999", "2024-05-01 10:60", "2024-13-01", "10000-01-01", "-1-01-01"),
    *("2024-05-01T", "2024-05-01 10:20:30.", "2024-05-01 10:20:30,5", "\u0662024-05-01", "000.10"),
    *("-0", "+1.5", "1.", "00100.250", "TRUE", "True", "0.001", "1000.00", "999.994"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_says_a_value_where_a_load_takes_it(spark, kind):
    texts = [*SAID[kind], *UNSAID[kind], *ODD]
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    value = value_of_text(F.col("text"), data_type(kind))
    read = frame.select("text", value.isNotNull().alias("taken")).collect()
    taken = {row.text: row.taken for row in read}

    assert {text: says(text, kind) for text in texts} == taken


def table(**types):
    """A table with columns of these types."""
    columns = tuple(RelationColumn(name, kind, "base", True) for name, kind in types.items())
    return RelationDetails(
        Relation("s", "t", columns, (), False), "table", "", "", None, (), (), (), (), frozenset(),
        False,
        {
            name: ColumnDetails(name, kind, False, (), False, False, (), "", True)
            for name, kind in types.items()
        },
    )  # fmt: skip


def rows(**columns):
    """The rows of a sample, by column."""
    lines = zip(*columns.values(), strict=True)
    return tuple(dict(zip(columns, values, strict=True)) for values in lines)


def test_a_column_with_other_values_is_read_as_text_and_a_user_decides():
    details = table(day="date", n="int(11)", bits="bit(8)", shape="point")
    sample = Sample(rows(day=["2024-01-01", "0000-00-00", None], n=["1", "2", "3"]))

    found = column_types(details, MARIADB, sample)

    assert found.read_as == {"day": "string", "n": "int", "bits": "bigint"}
    assert found.decisions == {
        "day": "1 of 2 sampled values are no days, so day is read as text, which takes them; as"
        " DATE their rows are refused"
    }


def test_a_value_of_another_kind_is_none_of_the_type():
    details = table(n="INTEGER", raw="BLOB", t="TEXT")
    unfit = {"n": frozenset({1}), "raw": frozenset({0}), "t": frozenset({2})}
    values = rows(n=["1", "1.5", "2"], raw=["text", None, None], t=["a", "b", "x'00'"])

    found = column_types(details, SQLITE, Sample(values, unfit=unfit))

    assert found.read_as == {"n": "string", "raw": "binary", "t": "string"}
    # What no other type takes is refused with its row.
    assert found.decisions["raw"].endswith("no bytes, and their rows are refused (raw)")
    assert found.decisions["t"].endswith("no text, and their rows are refused (t)")


@pytest.mark.parametrize(
    ("texts", "whole", "kind"),
    [
        (["2024-01-01 10:00:00"] * 20, False, "timestamp"),
        (["2024-01-01 10:00:00"] * 19, False, "string"),
        (["2024-01-01 10:00:00"], True, "timestamp"),
        (["2024-01-01"] * 20, False, "date"),
        (["2024-01-01", "2024-01-01 10:00:00"] * 10, False, "timestamp"),
        (["2024-01-01 10:00:00"] * 20 + ["soon"], False, "string"),
        ([None], True, "string"),
    ],
)
def test_text_that_says_nothing_but_times_is_a_stamp(texts, whole, kind):
    details = table(updated_at="TEXT", other="TEXT")
    sample = Sample(rows(updated_at=texts, other=texts), whole=whole)

    found = column_types(details, SQLITE, sample, stamps=["updated_at"])

    assert found.read_as == {"updated_at": kind, "other": "string"}
    assert ("updated_at" in found.notes) is (kind != "string")
    assert found.decisions == {}
