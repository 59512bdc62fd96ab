from __future__ import annotations

from decimal import Decimal

from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.spark.column_quoting_and_comparison import named
from tasks.transforms.protection.pseudonymisation import pseudonymised
from tests.tasks.transforms.encodings import reference_pseudonym

KEY = bytes(range(32))


def test_pseudonyms_are_those_of_the_plain_reference_and_belong_to_one_column(spark):
    rows = [(1, "ann", "ann", Decimal("1.10")), (2, None, "ann", None)]
    frame = spark.createDataFrame(rows, "n int, `e.mail` string, other string, d decimal(9,2)")
    values = {name: named(name) for name in ("e.mail", "other", "d")}

    here = pseudonymised(frame, values, KEY, table="lake.a")
    there = pseudonymised(frame, {"other": F.col("other")}, KEY, table="lake.b")

    assert here.columns == frame.columns
    found = here.orderBy("n").collect()
    kinds = {"e.mail": T.StringType(), "other": T.StringType(), "d": T.DecimalType(9, 2)}
    for row, given in zip(found, rows, strict=True):
        for position, (name, kind) in enumerate(kinds.items(), start=1):
            assert row[name] == reference_pseudonym(
                given[position], kind, KEY, table="lake.a", column=name
            )
    assert found[0].other == found[1].other
    assert found[0]["e.mail"] != found[0].other
    assert there.collect()[0].other != found[0].other
    assert all(row[name] is None or len(row[name]) == 64 for row in found for name in kinds)
