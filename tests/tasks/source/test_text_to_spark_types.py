from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from contracts.errors import SchemaDriftError
from contracts.schemas.contract_to_spark_types import data_type
from contracts.schemas.spark_schemas import source_schema
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_reader import Fetch, reference_values, source_rows
from tasks.source.source_query import compile_source_query
from tasks.source.text_to_spark_types import value_of_text
from tests.tasks.source.type_tables import Line, contract_of

SAID = {
    "boolean": {"1": "true", "TRUE": "true", "0": "false", "false": "false"},
    "tinyint": {"-128": "-128", "+7": "7", "007": "7"},
    "bigint": {"9223372036854775807": "9223372036854775807"},
    "decimal(5,2)": {"999.99": "999.99", "-1": "-1.00", "1.500": "1.50", "00001.5": "1.50"},
    "decimal(38,0)": {"9" * 38: "9" * 38},
    "float": {"0.1": "0.1", "16777217": "1.6777216E7", "Infinity": "Infinity", "NaN": "NaN"},
    "double": {"-0.0": "-0.0", "1e-5": "1.0E-5", ".5": "0.5", "5.": "5.0", "-Inf": "-Infinity"},
    "date": {"0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31", "2024-02-29": "2024-02-29"},
    "timestamp": {
        "2024-05-01": "2024-05-01 00:00:00",
        "2024-05-01T10:20:30.5": "2024-05-01 10:20:30.5",
        "2024-05-01 10:20:30.123456000": "2024-05-01 10:20:30.123456",
        "2024-05-01 10:20:30 -03:30": "2024-05-01 13:50:30",
        "2024-05-01 10:20:30+02": "2024-05-01 08:20:30",
        "2024-05-01 10:20Z": "2024-05-01 10:20:00",
        "2024-05-01T10:20+02:00": "2024-05-01 08:20:00",
        "0001-01-01 00:00:00": "0001-01-01 00:00:00",
    },
    "binary": {"": "", "00fF": "00FF"},
    "string": {"": "", " NULL ": " NULL "},
}
UNSAID = {
    "boolean": ["2", "yes", "", "t"],
    "tinyint": ["128", "1.0", " 1", "1 ", "", "1e2", "0x1", "--1"],
    "bigint": ["9223372036854775808", "99999999999999999999"],
    "decimal(5,2)": ["1000", "1.505", "NaN", "1e2", "1,5", ".", ""],
    "decimal(38,0)": ["9" * 39, "0.5"],
    "float": ["1e39", "-1e39", "1f", "0x1p3", "1d"],
    "double": ["1e400", "one", "", "1_000", "1 "],
    "date": [
        "2023-02-29",
        "0000-00-00",
        "24-1-1",
        "2024-05",
        "2024-05-01 00:00:00",
        "+12024-01-01",
    ],
    "timestamp": [
        *("2024-05-01 24:00:00", "2024-05-01 10:20:60", "2024-05-01 10:20:30.1234567"),
        *("2024-05-01 10", "10:20:30", "0000-00-00 00:00:00", "2024-05-01 10:20:30 Europe/Berlin"),
        *(
            "2024-05-01 10:20:30+25:00",
            "2024-05-01+02:00",
            "now",
            "2024-13-01 00:00:00",
            "1714550000",
        ),
    ],
    "binary": ["0", "0g", "x'00'"],
    "string": ["A\N{REPLACEMENT CHARACTER}"],
}


def test_a_text_says_a_value_exactly_or_none(spark):
    cases = [(kind, text, value) for kind, each in SAID.items() for text, value in each.items()]
    cases += [(kind, text, None) for kind, each in UNSAID.items() for text in each]
    rows = spark.createDataFrame([(text,) for _, text, _ in cases], "t string").coalesce(1)
    kinds = [*SAID]

    def shown(kind):
        value = value_of_text(F.col("t"), data_type(kind))
        return (F.hex(value) if kind == "binary" else value.cast("string")).alias(kind)

    found = rows.select(*[shown(kind) for kind in kinds]).collect()

    wrong = [
        (kind, text, row[kind], value)
        for row, (kind, text, value) in zip(found, cases, strict=True)
        if row[kind] != value
    ]
    assert wrong == []


def test_no_text_says_a_list(spark):
    with pytest.raises(TypeError, match="array"):
        value_of_text(F.col("t"), T.ArrayType(T.IntegerType()))


def test_references_are_told_apart_by_spark_and_not_by_the_servers_collation(spark, mariadb):
    mariadb.execute(
        "CREATE DATABASE wards CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "CREATE TABLE wards.wards (code VARCHAR(5), place POINT)",
        "INSERT INTO wards.wards (code) VALUES ('a'), ('A'), ('a '), ('a'), (NULL)",
    )
    source = mariadb.source("wards")

    def values(reading, column):
        return reference_values(
            spark,
            reading,
            reading.relation("wards", "wards"),
            frozenset({column}),
            Fetch(100, 60),
            dialect=sql_dialect_of(source),
            where="patients",
        )

    with source.reading() as reading:
        found = [row.code for row in values(reading, "code").collect()]
        with pytest.raises(SchemaDriftError, match="place"):
            values(reading, "place")

        contract = contract_of([(0, Line("VARCHAR(5)", "", "VARCHAR(5)", ""))], "wards", "named")
        mariadb.execute("CREATE VIEW wards.named AS SELECT code AS c0 FROM wards.wards")
        query = compile_source_query(
            contract, reading.relation("wards", "named"), dialect=sql_dialect_of(source)
        ).rows()
        rows = source_rows(spark, reading, source_schema(contract), Fetch(100, 60), query=query)
        capital = rows.where("c0 = 'A'").count()

    mariadb.execute("DROP DATABASE wards")
    assert capital == 1
    assert (len(found), {*found}) == (4, {"a", "A", "a ", None})
