"""One lakehouse with views, and the matrix in it as a real Iceberg table."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from contracts.model.encryption_keys import DataKey, ProtectionKeys
from contracts.schemas.target_ddl import create_table
from history.reading.role_views import refresh_role_views
from tasks.compiler.compile_role_rights import compile_role_rights
from tasks.compiler.security_tags import security_tags
from tasks.create_views import SecureView
from tasks.transforms.protection.column_protection import compile_protection, protected
from tests.strandline.lakes import run_settings_in
from tests.tasks.access.matrix import CELLS, ROLES, ROWS, contract_with

KEYS = ProtectionKeys(*(DataKey(name, name[0].encode() * 32) for name in ("f-1", "p-1", "e-1")))


@pytest.fixture(scope="module")
def lake(spark, postgres, tmp_path_factory, request):
    """A lakehouse of the module's own: its settings, and a session."""
    name = f"access_{request.module.__name__.rpartition('.')[2]}"
    settings = run_settings_in(tmp_path_factory.mktemp(name), postgres, name)
    session = settings.spark.session(settings.lakehouse)
    return SimpleNamespace(settings=settings, spark=session, catalog=name)


@pytest.fixture(scope="module")
def matrix(lake):
    """The table, protected as a load protects it, and a view for each role."""
    contract = contract_with(ROLES.values())
    table = f"{lake.catalog}.{contract.target}"
    lake.spark.sql(f"CREATE NAMESPACE {lake.catalog}.{contract.namespace}")
    lake.spark.sql(create_table(contract, table, security_tags(contract)))
    schema = ", ".join(f"{each.name} {each.type}" for each in contract.columns)
    clear = lake.spark.createDataFrame(
        [
            (row.id, *(row.cells.get(name) for name in CELLS), row.level, row.status, row.current)
            for row in ROWS
        ],
        schema,
    )
    stored = protected(clear, compile_protection(contract), KEYS, table=contract.target)
    stored.writeTo(table).append()
    announced = []
    done = refresh(lake.spark, table, contract, announced.append)
    return SimpleNamespace(
        contract=contract, table=table, done=done, announced=announced, spark=lake.spark
    )


def refresh(spark, table, contract, announce=lambda plan: None):
    views = {
        each.role: SecureView(each.expressions, each.row_filter_sql)
        for each in compile_role_rights(contract)
    }
    return refresh_role_views(spark, table, views, announce)
