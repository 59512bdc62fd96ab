from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import types as T

from contracts.errors import ContractError
from contracts.loader import LEDGERS, TABLES, find_contract, load_contract, load_ledger
from contracts.model import Classification, Period, Protection, ProtectionKind
from contracts.model.database_type_names import holds, spark_type
from contracts.schemas.data_dictionary import data_dictionary, dictionary_columns
from contracts.schemas.spark_schemas import (
    event_schema,
    ledger_schema,
    source_schema,
    target_schema,
)
from contracts.schemas.target_ddl import (
    TABLE_PROPERTIES,
    create_ledger,
    create_table,
    data_type,
    stored_type,
)
from history.iceberg import history_table
from history.model.history_settings import HistorySettings
from history.model.recorded_source_reads import Read
from history.write_audit_publish import load_changes
from history.writing.quarantine_table import QUARANTINE_SCHEMA
from tasks.compiler.contract_to_history_settings import history_settings

TABLES_BY_NAME = sorted(path.stem for path in TABLES.glob("*.yaml"))
LEDGERS_BY_NAME = sorted(path.stem for path in LEDGERS.glob("*.yaml"))


@pytest.fixture
def contract():
    return find_contract("new_source_table", TABLES)


@pytest.mark.parametrize(
    ("physical", "spark"),
    [
        ("VARCHAR(100)", "string"), ("character varying(5)", "string"), ("TEXT", "string"),
        ("BIGINT", "bigint"), ("Integer", "int"), ("int(11)", "int"), ("SMALLINT", "smallint"),
        ("DECIMAL(10,2)", "decimal(10,2)"), ("numeric( 5 )", "decimal(5,0)"),
        ("DOUBLE PRECISION", "double"), ("double", "double"), ("REAL", "float"),
        ("TIMESTAMP", "timestamp"), ("timestamp(6) without time zone", "timestamp"),
        ("DATE", "date"), ("BOOLEAN", "boolean"), ("bytea", "binary"),
        ("DECIMAL", None), ("DECIMAL(39,2)", None), ("DECIMAL(2,5)", None), ("MONEY", None),
        ("BIGINT UNSIGNED", "decimal(20,0)"), ("int(10) unsigned", "bigint"), ("NUMERIC", None),
        ("", None), ("VARCHAR(", None), ("ward", None), ("BIT", None),
        ("jsonb", "string"), ("text[]", "string"), ("numeric(8,2)[][]", "string"),
        ("timestamp with time zone[]", "string"), ("crm.mood[]", "string"), ("[]", None),
        ("interval day to second", "string"), ("INTERVAL", "string"), ("inet", "string"),
        ("time(3) without time zone", "string"), ("enum('a','b(c)')", "string"),
        ("tstzrange", "string"), ("timestamp(6) with time zone", "timestamp"),
    ],
)  # fmt: skip
def test_a_database_type_is_known_exactly_or_not_at_all(physical, spark):
    assert spark_type(physical) == spark


@pytest.mark.parametrize(
    ("target", "source", "fits"),
    [
        ("bigint", "int", True), ("int", "bigint", False), ("string", "decimal(10,2)", True),
        ("decimal(10,2)", "decimal(10,2)", True), ("decimal(12,2)", "decimal(10,4)", False),
        ("decimal(12,4)", "decimal(10,2)", True), ("decimal(10,0)", "int", True),
        ("decimal(10,2)", "int", False), ("double", "int", True), ("double", "bigint", False),
        ("timestamp", "date", True), ("date", "timestamp", False), ("int", "string", False),
    ],
)  # fmt: skip
def test_a_type_holds_another_only_without_loss(target, source, fits):
    assert holds(target, source) is fits


def test_the_types_of_nested_columns_are_built_without_spark():
    inner = T.StructType(
        [T.StructField("a", T.DecimalType(5, 2)), T.StructField("b", T.DateType())]
    )

    assert data_type("array<struct<a:decimal(5,2),b:date>>") == T.ArrayType(inner)
    with pytest.raises(ContractError, match="unknown"):
        data_type("varchar")


def test_the_source_schema_is_that_of_the_specification(contract):
    schema = source_schema(contract)

    assert {field.name: field.dataType.simpleString() for field in schema} == {
        "id": "bigint", "column1": "string", "column2": "string", "column3": "decimal(10,2)",
        "status": "string", "created_date": "timestamp", "updated_date": "timestamp",
        "created_by": "string", "updated_by": "string", "data_classification": "string",
        "checksum": "string", "version_number": "int",
    }  # fmt: skip
    assert {f.name for f in schema if not f.nullable} == {"id", "column1", "created_date"}


def test_a_protected_column_is_stored_as_its_token(contract):
    amount = contract.column("new_source_column3")
    stored = {
        kind: stored_type(replace(amount, protection=Protection(kind))) for kind in ProtectionKind
    }

    assert stored == {
        ProtectionKind.ENCRYPT: T.BinaryType(),
        ProtectionKind.PSEUDONYMISE: T.StringType(),
        ProtectionKind.MASK: T.StringType(),
        ProtectionKind.GENERALISE: T.DecimalType(10, 2),
        ProtectionKind.REDACT: T.StringType(),
    }
    assert stored_type(replace(amount, protection=None)) == T.DecimalType(10, 2)


@pytest.mark.parametrize("name", TABLES_BY_NAME)
def test_events_bring_every_column_that_history_does_not_fill(name):
    contract = find_contract(name, TABLES)
    settings = settings_of(contract)

    read_at = contract.generated("read_at")
    by_the_read = () if read_at is None else (read_at.name,)

    assert event_schema(contract).names == [
        column.name
        for column in contract.columns
        if column.name not in (*settings.filled, *by_the_read)
    ]
    settings.check((*event_schema(contract).names, *by_the_read), name)


def test_the_specified_columns_come_first_and_in_their_order(contract):
    assert target_schema(contract).names == [
        "surrogate_key", "business_key", "new_source_column1", "new_source_column2",
        "new_source_column3", "new_source_id", "source_system", "record_status",
        "effective_start_date", "effective_end_date", "is_current", "created_timestamp",
        "updated_timestamp", "created_by", "updated_by", "data_quality_score", "source_checksum",
        "batch_id", "data_classification", "retention_date",
        "source_sequence", "source_created_date", "source_version", "read_at",
    ]  # fmt: skip


def test_the_data_dictionary_has_every_column_and_shows_both_types(contract):
    text = data_dictionary(contract)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    of_columns, of_roles = rows[: len(contract.columns)], rows[len(contract.columns) :]
    lines = {line.split("`")[1]: line for line in of_columns}

    assert list(lines) == [column.name for column in contract.columns]
    assert [line.split("`")[1] for line in of_roles] == [role.name for role in contract.roles]
    assert "| DECIMAL(10,2) | binary |" in lines["new_source_column3"]
    assert "| CONFIDENTIAL | encrypted |" in lines["new_source_column3"]
    assert "masked but for 2 characters" in lines["new_source_column2"]
    assert len({line.count("|") for line in lines.values()}) == 1


def test_the_quarantine_has_the_columns_that_history_writes():
    found = ledger_schema(load_ledger(LEDGERS / "quarantine.yaml"))

    assert [(f.name, f.dataType, f.nullable) for f in found] == [
        (f.name, f.dataType, f.nullable) for f in QUARANTINE_SCHEMA
    ]


def test_a_table_gets_the_properties_that_history_gives_its_own():
    assert dict(TABLE_PROPERTIES) == history_table._PROPERTIES


@pytest.mark.parametrize("name", TABLES_BY_NAME)
def test_the_ddl_creates_exactly_the_schema_of_the_contract(name, spark, lake_namespace):
    contract = find_contract(name, TABLES)
    table = f"{lake_namespace}.created"

    spark.sql(create_table(contract, table))
    spark.sql(create_table(contract, table))

    found = spark.table(table).schema
    assert found == target_schema(contract)
    assert [field.metadata for field in found] == [f.metadata for f in target_schema(contract)]
    properties = dict(spark.sql(f"SHOW TBLPROPERTIES {table}").collect())
    assert TABLE_PROPERTIES.items() <= properties.items()
    shown = spark.sql(f"SHOW CREATE TABLE {table}").first()[0]
    assert f"PARTITIONED BY ({', '.join(contract.history.partitioning)})" in shown


@pytest.mark.parametrize("name", LEDGERS_BY_NAME)
def test_the_ddl_creates_exactly_the_schema_of_the_ledger(name, spark, lake_namespace):
    ledger = load_ledger(LEDGERS / f"{name}.yaml")
    table = f"{lake_namespace}.created"

    spark.sql(create_ledger(ledger, table))

    assert spark.table(table).schema == ledger_schema(ledger)


def test_a_contract_may_ask_for_an_older_format_of_the_table(written, spark, lake_namespace):
    older = SMALL.replace("{key: [number], ", "{key: [number], format_version: 2, ")
    contract = load_contract(written(older, "customers"))
    table = f"{lake_namespace}.customers"

    spark.sql(create_table(contract, table))

    properties = dict(spark.sql(f"SHOW TBLPROPERTIES {table}").collect())
    assert properties["format-version"] == "2"
    assert history_settings(contract).format_version == 2


def test_descriptions_and_names_can_hold_anything(contract, spark, lake_namespace):
    words = 'it\'s a \\ and a "quote"; DROP TABLE x -- `tick`'
    columns = tuple(replace(column, description=words) for column in contract.columns)
    strange = replace(contract, columns=columns, description=words)
    table = f"{lake_namespace}.strange"

    spark.sql(create_table(strange, table))

    assert spark.table(table).schema["source_version"].metadata["comment"].startswith(words)


def test_history_loads_into_a_table_that_the_ddl_made(contract, spark, lake_namespace):
    table = f"{lake_namespace}.loaded"
    spark.sql(create_table(contract, table))
    loose = T.StructType([T.StructField(f.name, f.dataType) for f in event_schema(contract)])
    events = [
        dict.fromkeys(loose.names) | {
            "business_key": 1, "new_source_column1": text, "source_system": "NEW_SOURCE",
            "record_status": "A", "source_checksum": text,
            "source_sequence": datetime(2024, 1, day),
            "source_created_date": datetime(2023, 1, 1),
        }
        for text, day in (("A", 2), ("B", 3))
    ]  # fmt: skip

    for number, event in enumerate(events, start=1):
        load_changes(
            spark,
            spark.createDataFrame([tuple(event[name] for name in loose.names)], loose),
            table,
            settings_of(contract),
            batch_id=f"b{number}",
            batch_time=datetime(2024, 2, number, tzinfo=UTC),
            read=Read(at=datetime(2024, 2, number, tzinfo=UTC), full=True),
        )

    versions = spark.table(table).orderBy("effective_start_date").collect()
    assert [
        (v.new_source_column1, v.effective_start_date, v.effective_end_date) for v in versions
    ] == [
        ("A", datetime(2023, 1, 1), datetime(2024, 1, 3)),
        ("B", datetime(2024, 1, 3), datetime(9999, 12, 31, 23, 59, 59)),
    ]


def test_whole_numbers_that_iceberg_has_no_type_for_are_kept_as_int(contract):
    small = [replace(c, type="smallint") for c in contract.columns if c.name == "source_version"]
    tiny = replace(small[0], name="tiny", type="tinyint")
    with_small = replace(contract, columns=(*contract.columns[:-2], *small, tiny))

    kinds = {field.name: field.dataType for field in event_schema(with_small)}

    assert (kinds["source_version"], kinds["tiny"]) == (T.IntegerType(), T.IntegerType())
    assert "`tiny` int" in create_table(with_small, "lake.s.t")


def test_the_table_refuses_a_null_where_the_contract_requires_a_value(
    contract, spark, lake_namespace
):
    table = f"{lake_namespace}.strict"
    spark.sql(create_table(contract, table))
    loose = T.StructType([T.StructField(f.name, f.dataType) for f in target_schema(contract)])
    empty = spark.createDataFrame([(None,) * len(loose)], loose)

    with pytest.raises(PySparkException, match=r"(?i)null"):
        empty.writeTo(table).append()


def settings_of(contract):
    """The history settings that the contract's generated columns stand for."""
    names = {
        kind: column.name if (column := contract.generated(kind)) else None
        for kind in (
            "sequence", "valid_from", "valid_to", "is_current", "surrogate_key", "recorded_at",
            "changed_at", "fingerprint",
        )
    }  # fmt: skip
    return HistorySettings(
        key=contract.key,
        tracked=contract.history.tracked,
        tie_breaker=contract.history.tie_breaker,
        first_valid_from=contract.history.first_valid_from,
        open_end=contract.history.open_end,
        partitioning=contract.history.partitioning,
        carried=tuple(
            column.name
            for column in contract.columns
            if column.transformation.name in ("batch_id", "row_score", "retention_date")
        ),
        **names | _of_reads(contract),
    )


def _of_reads(contract):
    """Of a state: the instant of the read is the sequence, and the source's stamp stands beside."""
    read_at, stamp = contract.generated("read_at"), contract.generated("sequence")
    return {} if read_at is None else {"sequence": read_at.name, "stamp": stamp.name}


SMALL = """
apiVersion: v3.1.0
kind: DataContract
id: customers
name: customers
version: 1.0.0
status: draft
description: {purpose: The history of customers.}
team: {name: Sales}
schema:
  - name: customers
    physicalName: sales.customers
    properties:
      - {name: number, description: Who., physicalType: BIGINT, required: true,
         transformSourceObjects: [number],
         customProperties: [{property: strandline, value: {transformation: {name: direct}}}]}
      - {name: town, description: Where., physicalType: VARCHAR(80), classification: CONFIDENTIAL,
         transformSourceObjects: [town],
         customProperties: [{property: strandline, value: {
           transformation: {name: trim}, protection: {kind: pseudonymise}}}]}
      - {name: changed, description: When., physicalType: TIMESTAMP, required: true,
         customProperties: [{property: strandline, value: {transformation: {name: sequence}}}]}
      - {name: begins, description: From., physicalType: TIMESTAMP, required: true,
         customProperties: [{property: strandline, value: {transformation: {name: valid_from}}}]}
      - {name: ends, description: Until., physicalType: TIMESTAMP,
         customProperties: [{property: strandline, value: {transformation: {name: valid_to}}}]}
      - {name: open, description: Open., physicalType: BOOLEAN, required: true,
         customProperties: [{property: strandline, value: {transformation: {name: is_current}}}]}
customProperties:
  - property: strandline
    value:
      source:
        {connection: shop, schema: shop, table: customer, load: full, sequence: [changed],
         columns: [
          {name: number, physicalType: BIGINT, required: true},
          {name: town, physicalType: TEXT, classification: CONFIDENTIAL},
          {name: changed, physicalType: TIMESTAMP}]}
      history: {key: [number], tracked: [town]}
"""


def test_adding_a_table_takes_one_file(written, spark, lake_namespace):
    contract = load_contract(written(SMALL, "customers"))
    table = f"{lake_namespace}.customers"

    spark.sql(create_table(contract, table))

    assert spark.table(table).schema == target_schema(contract)
    assert contract.history.partitioning == ("open",)
    assert event_schema(contract).simpleString() == (
        "struct<number:bigint,town:string,changed:timestamp>"
    )
    assert settings_of(contract).valid_to == "ends"


RULE = Classification.RESTRICTED
TOLD = {
    Protection(ProtectionKind.ENCRYPT): ("encrypted", "holders of the table's encryption key"),
    Protection(ProtectionKind.ENCRYPT, deterministic=True): (
        "encrypted, equal values alike", "holders of the table's deterministic key",
    ),
    Protection(ProtectionKind.ENCRYPT, deterministic=True, join_domain="emails"): (
        "encrypted, equal values alike", "holders of the key of the join domain emails",
    ),
    Protection(ProtectionKind.PSEUDONYMISE): (
        "pseudonymised", "nobody; the pseudonym key tests a guess",
    ),
    Protection(ProtectionKind.MASK): ("masked", "nobody"),
    Protection(ProtectionKind.GENERALISE, period=Period.MONTH): (
        "generalised to the month", "nobody",
    ),
    Protection(ProtectionKind.GENERALISE, width=Decimal("0.50")): (
        "generalised to bands of 0.50", "nobody",
    ),
    Protection(ProtectionKind.REDACT): ("redacted", "nobody"),
    None: ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("how", TOLD, ids=str)
@pytest.mark.parametrize("rule", [None, RULE])
def test_the_dictionary_and_the_ddl_say_how_a_column_is_protected(contract, how, rule):
    column = replace(
        contract.column("new_source_column3"), protection=how, protected_by_rule=how and rule
    )
    contract = replace(contract, columns=(column,))

    (told,) = dictionary_columns(contract)

    words = "" if how is None else "the rule for RESTRICTED" if rule else "the column"
    assert (told.protection, told.undone_by, told.said_by) == (*TOLD[how], words)
    assert told.stored_as == stored_type(column).simpleString()
    assert f"| {told.protection} | {words} | {told.undone_by} |" in data_dictionary(contract)
    kind = stored_type(column).simpleString()
    assert f"`new_source_column3` {kind} COMMENT" in create_table(contract, "lake.n.t")
    assert told.protection in create_table(contract, "lake.n.t")
