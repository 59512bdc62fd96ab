"""No column that lies in the clear is made of one that is sealed: looked for in the demo's rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row
from pyspark.sql import Observation
from pyspark.sql import functions as F

from contracts.loader import TABLES, load_contracts
from contracts.model.sensitivity import sensitive_sources
from contracts.schemas.spark_schemas import source_schema
from demo.demo_source_database import create, fill_new_source_table
from tasks.transforms import stage_plan, stage_rows
from tasks.transforms.protection.column_protection import compile_protection, source_row
from tasks.transforms.protection.derived_value_search import DerivedColumn, derived_columns
from tasks.transforms.stage_input import Known, Origin
from tests.tasks.transforms.examples import KEYS

CONTRACTS = load_contracts(TABLES)
CONTRACT = CONTRACTS["new_source_table"]
PARTS = [column.name for column in CONTRACT.source.columns]
READ_AT = datetime(2024, 6, 1, tzinfo=UTC)
SAMPLE = """
SELECT * FROM source_schema.new_source_table
WHERE mod(id, 53) IN (1, 3, 19, 41) OR mod(id, 250) = 37 ORDER BY id LIMIT 400
"""


@pytest.fixture(scope="module")
def rows(database):
    """Real source rows, with nulls, spaces and canaries among them."""
    dsn = database()
    create(dsn)
    fill_new_source_table(dsn)
    with psycopg.connect(dsn.get_secret_value(), row_factory=dict_row) as connection:
        return connection.execute(SAMPLE).fetchall()


@pytest.fixture(scope="module")
def frame(spark, rows):
    stamped = [tuple(row[name] for name in PARTS) for row in rows]
    return spark.createDataFrame(stamped, source_schema(CONTRACT))


def in_quarantine(frame, contract):
    """The rows as the quarantine would keep them."""
    protection = compile_protection(contract)
    kept = source_row(protection, KEYS, table=contract.target, refused=F.lit(True))
    return [json.loads(row.kept) for row in frame.select(kept.alias("kept")).collect()]


def searched(rows, stored, contract, hidden):
    """What is found in the columns of stored rows that are not hidden, given the source rows."""
    both = [
        {**row, **{f"stored {name}": value for name, value in kept.items()}}
        for row, kept in zip(rows, stored, strict=True)
    ]
    return derived_columns(
        both,
        clear=[f"stored {name}" for name in stored[0] if name not in hidden],
        # A digest is made of columns in the order of their table.
        parts=[name for name in rows[0] if name in PARTS],
        sensitive=sensitive_sources(contract),
    )


def test_only_one_of_the_shipped_contracts_has_something_sensitive():
    assert [name for name, each in CONTRACTS.items() if sensitive_sources(each)] == [CONTRACT.name]


def test_nothing_that_the_quarantine_keeps_in_the_clear_is_made_of_what_it_seals(rows, frame):
    assert (
        searched(rows, in_quarantine(frame, CONTRACT), CONTRACT, sensitive_sources(CONTRACT)) == ()
    )


def test_the_checksum_would_be_found_if_the_contract_did_not_say_what_it_is_made_of(rows, frame):
    silent = replace(
        CONTRACT,
        source=replace(
            CONTRACT.source,
            columns=tuple(replace(c, derived_from=None) for c in CONTRACT.source.columns),
        ),
    )

    (found,) = searched(rows, in_quarantine(frame, silent), silent, sensitive_sources(silent))

    assert found == DerivedColumn(
        "stored checksum",
        ("id", "column1", "column2", "column3"),
        "plain SHA256, joined by |",
        found.rows,
    )
    assert found.rows >= 4


def test_nothing_in_the_target_is_made_of_what_it_protects(rows, frame):
    staged = stage_rows.stage_rows(
        frame.withColumn("__unfit", F.lit(None).cast("string")),
        stage_plan.compile_stage(CONTRACT),
        KEYS,
        Origin("b1", READ_AT, CONTRACT.target, READ_AT, READ_AT),
        known=Known(),
        observation=Observation("derived"),
    )
    stored = {row.business_key: row.asDict() for row in staged.collect()}
    known = [row for row in rows if row["id"] in stored]

    hidden = compile_protection(CONTRACT).encrypted

    assert len(known) == len(rows)
    assert searched(known, [stored[row["id"]] for row in known], CONTRACT, hidden) == ()
