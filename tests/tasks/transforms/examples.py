"""Contracts to judge, map and protect with, made of the model's own values."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.model import (
    Check,
    Classification,
    Column,
    Condition,
    Contract,
    History,
    LoadKind,
    Operator,
    Protection,
    ProtectionKind,
    Severity,
    Source,
    SourceColumn,
    Transformation,
)
from contracts.model.encryption_keys import DataKey, ProtectionKeys

AS_OF = datetime(2024, 5, 1, 12, tzinfo=UTC)
TABLE = "lake.target_schema.people"
KEYS = ProtectionKeys(
    fingerprint=DataKey("f1", bytes(range(32))),
    pseudonym=DataKey("p1", bytes(range(32, 64))),
    encryption=DataKey("e1", bytes(range(64, 96))),
)
SOURCE_SCHEMA = (
    "`the id` bigint, `Name.Full` string, amount decimal(12,4), status string, "
    "email string, born date, made timestamp, changed timestamp"
)


def made(name, kind, transformation, *sources, nullable=True, **more):
    arguments = more.pop("arguments", {})
    return Column(
        name=name,
        type=kind,
        nullable=nullable,
        transformation=Transformation(transformation, arguments),
        sources=sources,
        **more,
    )


CODES = {"codes": {"ACTIVE": "A", "INACTIVE": "I", "PENDING": "P"}, "otherwise": "U"}
BOUNDS = {"low": 0, "high": 999999.99, "scale": 2}

COLUMNS = (
    made("surrogate_key", "bigint", "surrogate_key", nullable=False),
    made("business_key", "bigint", "direct", "the id", nullable=False),
    made("name", "string", "upper_trim", "Name.Full", nullable=False),
    made(
        "amount",
        "decimal(10,2)",
        "round_within",
        "amount",
        arguments=BOUNDS,
        classification=Classification.CONFIDENTIAL,
        protection=Protection(ProtectionKind.ENCRYPT),
    ),
    made("record_status", "string", "decode", "status", nullable=False, arguments=CODES),
    made(
        "email",
        "string",
        "trim",
        "email",
        classification=Classification.RESTRICTED,
        protection=Protection(ProtectionKind.PSEUDONYMISE),
    ),
    made(
        "short_name",
        "string",
        "direct",
        "Name.Full",
        protection=Protection(ProtectionKind.MASK, keep=2),
    ),
    made("born", "date", "direct", "born", protection=Protection(ProtectionKind.ENCRYPT)),
    made("source_system", "string", "literal", arguments={"value": "NEW_SOURCE"}),
    made("source_checksum", "string", "fingerprint"),
)

SOURCE = Source(
    connection="source_db_conn",
    schema="source_schema",
    table="people",
    columns=(
        SourceColumn("the id", "bigint", nullable=False),
        SourceColumn("Name.Full", "string"),
        SourceColumn("amount", "decimal(12,4)"),
        SourceColumn("status", "string"),
        SourceColumn("email", "string", classification=Classification.RESTRICTED),
        SourceColumn("born", "date"),
        SourceColumn("made", "timestamp"),
        SourceColumn("changed", "timestamp"),
    ),
    load=LoadKind.INCREMENTAL,
    sequence=("changed", "made"),
    watermark=("changed", "made"),
    membership=(Condition("status", Operator.IN, ("ACTIVE", "PENDING")),),
    ignore=(Condition("status", Operator.IN, ("TEST",)),),
)

CHECKS = (
    Check("name_there", "required", ("Name.Full",)),
    Check(
        "amount_range", "between", ("amount",), {"low": 0, "high": 999999.99}, Severity.WARN, 0.25
    ),
    Check("known_status", "in_set", ("status",), {"values": ("ACTIVE", "INACTIVE", "PENDING")}),
    Check("no_twins", "unique", ("the id",)),
)


def contract(*, source=SOURCE, columns=COLUMNS, checks=CHECKS, key=("business_key",), **more):
    return Contract(
        name="people",
        version="1.0.0",
        description="People",
        owner="data-office",
        namespace="target_schema",
        table="people",
        source=source,
        columns=columns,
        key=key,
        history=History(tracked=("name", "amount")),
        checks=checks,
        **more,
    )


def plain_contract(kinds, columns, checks=(), **more):
    """A contract over source columns of the given types, `id` its key and sequence."""
    source = Source(
        connection="c",
        schema="s",
        table="t",
        columns=tuple(SourceColumn(name, kind) for name, kind in {"id": "int", **kinds}.items()),
        load=LoadKind.FULL,
        sequence=("id",),
        watermark=("id",),
    )
    key = made("key", "int", "direct", "id", nullable=False)
    return contract(source=source, columns=(key, *columns), checks=checks, key=("key",), **more)
