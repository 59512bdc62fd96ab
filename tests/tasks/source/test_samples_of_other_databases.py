"""The sample that a model of unusual rows is made of, where the database is no PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from blocks.source_database import SourceDatabase
from contracts.loader import TABLES, find_contract
from contracts.model import AnomalySettings, Feature, LoadKind, SourceColumn
from contracts.schemas.spark_schemas import source_schema
from tasks.compiler.compile_contract import AnomalySearch
from tasks.judging.anomaly_model_of_batch import model_of_batch
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_reader import Fetch
from tasks.source.source_query import compile_source_query

ROWS, SAMPLE = 2_000, 400
COLUMNS = (
    SourceColumn("id", "bigint"),
    SourceColumn("amount", "decimal(10,2)"),
    SourceColumn("pieces", "int"),
)
FEATURES = (Feature("amount", ("amount",)), Feature("pieces", ("pieces",)))
TABLE = "CREATE TABLE orders (id BIGINT PRIMARY KEY, amount DECIMAL(10,2), pieces INT)"


@pytest.fixture
def sqlite(tmp_path):
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute(TABLE)
        rows = [(number, number % 97 / 4, number % 11) for number in range(ROWS)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        connection.commit()
    return SourceDatabase(dialect="sqlite", database=str(tmp_path / "orders.db")), "main"


@pytest.fixture
def orders_of_mariadb(mariadb):
    fill = "INSERT INTO orders SELECT seq, seq % 97 / 4, seq % 11 FROM seq_1_to_2000"
    mariadb.execute("CREATE DATABASE samples", "USE samples", TABLE, fill)
    yield mariadb.source("samples"), "samples"
    mariadb.execute("DROP DATABASE samples")


@pytest.mark.parametrize("database", ["sqlite", "orders_of_mariadb"])
def test_about_so_many_rows_are_a_model(spark, request, database):
    source, schema = request.getfixturevalue(database)
    shipped = find_contract("new_source_table", TABLES)
    of_orders = replace(
        shipped.source,
        schema=schema,
        table="orders",
        columns=COLUMNS,
        load=LoadKind.FULL,
        watermark=(),
        partition_column=None,
    )
    contract = replace(shipped, source=of_orders)
    settings = AnomalySettings(minimum_rows=100, sample_rows=SAMPLE)
    with source.reading() as reading:
        relation = reading.relation(schema, "orders")
        query = compile_source_query(contract, relation, dialect=sql_dialect_of(source)).rows()
        compiled = SimpleNamespace(
            anomalies=AnomalySearch(settings, FEATURES, frozenset(), ("id",)),
            rows=source_schema(contract),
            fetch=Fetch(1000, 60),
        )
        run = SimpleNamespace(spark=spark, source=source)
        extraction = SimpleNamespace(contract=compiled, query=query, rows=ROWS)
        model = model_of_batch(run, extraction, reading)

    assert [each.name for each in model.features] == ["amount", "pieces"]
    assert SAMPLE * 0.75 < model.sample_rows <= SAMPLE
