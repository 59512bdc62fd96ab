"""Small tables about persons, stored as a contract says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import functions as F

from contracts.loader import load_contract
from contracts.model import Protection, ProtectionKind
from contracts.model.encryption_keys import deterministic_owner
from contracts.schemas.target_ddl import create_table
from tasks.transforms.protection.column_protection import compile_protection, protected
from tests.flows.readings import CONTRACT
from tests.strandline.lakes import protecting

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

STORED = {
    "value": None,
    "encrypted": Protection(ProtectionKind.ENCRYPT),
    "pseudonym": Protection(ProtectionKind.PSEUDONYMISE),
    "token": Protection(ProtectionKind.ENCRYPT, deterministic=True),
}
"""How the column that names a person may be stored."""


def patients_by_name(how):
    """The contract of readings, in a table of its own, whose persons are named by `name`."""
    contract = replace(load_contract(CONTRACT), subject=("name",), table=f"patients_{how}")
    if STORED[how] is None:
        columns = [
            replace(each, protection=None) if each.name == "name" else each
            for each in contract.columns
        ]
        return replace(contract, columns=tuple(columns))
    return protecting(contract, "name", STORED[how])


def store(spark, settings, contract, rows):
    """Create the target and write rows, each a dict of clear values; returns its identifier."""
    ring = settings.key_ring
    keys = ring.keys_for(contract.target, create=True, at=AT)
    protection = compile_protection(contract)
    domains = {each.join_domain for each in protection.deterministic.values()}
    keys = replace(
        keys,
        deterministic={
            each: ring.deterministic_key(
                deterministic_owner(contract.target, each), create=True, at=AT
            )
            for each in domains
        },
    )
    table = f"{settings.lakehouse.catalog}.{contract.target}"
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {table.rpartition('.')[0]}")
    spark.sql(create_table(contract, table))
    clear = {each.name: each.type for each in contract.columns}
    schema = ", ".join(f"`{name}` {kind}" for name, kind in clear.items())
    values = [tuple(row.get(name) for name in clear) for row in rows]
    frame = protected(
        spark.createDataFrame(values, schema), protection, keys, table=contract.target
    )
    stored = spark.table(table).schema
    frame.select(*[F.col(each.name).cast(each.dataType) for each in stored]).writeTo(table).append()
    return table
