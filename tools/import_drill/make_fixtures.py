"""Small histories by the real tools, for the tests: `python -m tools.import_drill.make_fixtures`.

It writes `tests/flows/imports/peer_tables.sql` (the tables as they are after four rounds, source
and histories) and the configurations beside it, with the versions that made them. All times of the
rounds are a thousand days earlier there, since SQLMesh was run for hours that were yet to come.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from blocks.embedded_postgres import EmbeddedPostgres
from tools.import_drill.peer_projects import Peers

FOLDER = Path("tests/flows/imports")
_TABLE = """
CREATE SCHEMA crm;
CREATE TABLE crm.customers (
  region varchar(2) NOT NULL,
  customer_id bigint NOT NULL,
  city varchar(80),
  email text,
  credit numeric(12,2),
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (customer_id)
);
"""
_ROUNDS = (
    """INSERT INTO crm.customers VALUES
    ('DE', 1, 'Ulm', 'one@example.org', 10.50, '{at}'), ('DE', 2, 'Bonn', NULL, 0, '{at}'),
    ('FR', 3, 'Metz', 'three@example.org', NULL, '{at}'), ('FR', 4, 'Brest', 'four@example.org',
    99999.99, '{at}'), ('AT', 5, NULL, 'five@example.org', -1, '{at}')""",
    """UPDATE crm.customers SET city = 'Jena', updated_at = '{at}' WHERE customer_id = 1;
    UPDATE crm.customers SET updated_at = '{at}' WHERE customer_id = 2;
    DELETE FROM crm.customers WHERE customer_id = 3;
    INSERT INTO crm.customers VALUES ('AT', 6, 'Linz', 'six@example.org', 6, '{at}')""",
    """UPDATE crm.customers SET city = 'Ulm', updated_at = '{at}' WHERE customer_id = 1;
    UPDATE crm.customers SET credit = 5, updated_at = '{at}' WHERE customer_id = 4;
    INSERT INTO crm.customers VALUES ('FR', 3, 'Metz', 'three@example.org', NULL, '{at}')""",
    """DELETE FROM crm.customers WHERE customer_id = 5;
    UPDATE crm.customers SET city = 'Wien', updated_at = '{at}' WHERE customer_id = 6""",
)
_DBT = {
    "snapshots/snapshots.yml": """\
sources:
  - name: shop
    schema: crm
    tables:
      - name: customers
snapshots:
  - name: customers_by_time
    relation: source('shop', 'customers')
    config:
      schema: snapshots
      unique_key: customer_id
      strategy: timestamp
      updated_at: updated_at
      hard_deletes: invalidate
  - name: customers_by_check
    relation: source('shop', 'customers')
    config:
      schema: snapshots
      unique_key: [region, customer_id]
      strategy: check
      check_cols: [city, credit]
      hard_deletes: new_record
      dbt_valid_to_current: "to_timestamp('9999-12-31', 'YYYY-MM-DD')::timestamp"
      snapshot_meta_column_names:
        dbt_valid_from: gueltig_ab
        dbt_valid_to: gueltig_bis
        dbt_is_deleted: geloescht
""",
    "snapshots/customers_legacy.sql": """\
{% snapshot customers_legacy %}
{{
    config(
      schema='snapshots',
      unique_key='customer_id',
      strategy='timestamp',
      updated_at='updated_at'
    )
}}
select customer_id, city, updated_at from {{ source('shop', 'customers') }}
{% endsnapshot %}
""",
}
_COLUMNS = """columns (
    region TEXT, customer_id BIGINT, city TEXT, email TEXT, credit DECIMAL(12, 2),
    updated_at TIMESTAMPTZ
  )"""
_BY_TIME = f"""\
MODEL (
  name scd.customers_by_time,
  kind SCD_TYPE_2_BY_TIME (
    unique_key customer_id,
    updated_at_name updated_at,
    invalidate_hard_deletes true,
    time_data_type TIMESTAMPTZ
  ),
  cron '@hourly',
  start '2024-01-01',
  {_COLUMNS}
);

SELECT region, customer_id, city, email, credit, updated_at FROM crm.customers
"""  # noqa: S608 - a text of ours
_BY_COLUMN = f"""\
MODEL (
  name scd.customers_by_column,
  kind SCD_TYPE_2_BY_COLUMN (
    unique_key (region, customer_id),
    columns [city, credit],
    invalidate_hard_deletes true
  ),
  cron '@hourly',
  start '2024-01-01',
  {_COLUMNS}
);

SELECT region, customer_id, city, email, credit, updated_at FROM crm.customers
"""  # noqa: S608 - a text of ours
_SQLMESH = {"customers_by_time.sql": _BY_TIME, "customers_by_column.sql": _BY_COLUMN}
_EARLIER = (
    "quote_nullable(CASE WHEN {0} BETWEEN '2000-01-01' AND '3000-01-01'"
    " THEN {0} - interval '1000 days' ELSE {0} END)"
)
_HISTORIES = (
    ("crm", "customers"),
    ("analytics_snapshots", "customers_by_time"),
    ("analytics_snapshots", "customers_by_check"),
    ("analytics_snapshots", "customers_legacy"),
    ("scd", "customers_by_time"),
    ("scd", "customers_by_column"),
    ("dlt_crm", "customers"),
)


def main(environment: str = ".venv-imports") -> None:
    """Make the histories, and write them down."""
    with tempfile.TemporaryDirectory(prefix="strandline-fixtures-") as place:
        server = EmbeddedPostgres(Path(place) / "postgres")
        server.start()
        try:
            server.create_database("fixtures")
            peers = Peers(Path(environment).absolute(), server, "fixtures", Path(place))
            _make(peers, server.dsn_of("fixtures").get_secret_value())
        finally:
            server.stop()


def _make(peers: Peers, dsn: str) -> None:
    peers.write_dbt(_DBT)
    peers.write_sqlmesh(_SQLMESH)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE)
        begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for number, statements in enumerate(_ROUNDS):
            at = datetime.now(UTC)
            connection.execute(statements.format(at=at.isoformat()).encode())
            manifest = peers.dbt_snapshot()
            peers.sqlmesh_run(begin + timedelta(hours=number + 1))
            schema = peers.dlt_load("crm.customers", "dlt_crm")
            time.sleep(1)
        FOLDER.mkdir(parents=True, exist_ok=True)
        lines = [f"-- Made by tools/import_drill/make_fixtures.py with {_versions(peers)}.\n"]
        for relation in _HISTORIES:
            lines += _dumped(connection, *relation)
    (FOLDER / "peer_tables.sql").write_text("".join(lines), encoding="utf-8")
    (FOLDER / "manifest.json").write_text(_only_snapshots(manifest), encoding="utf-8")
    (FOLDER / "customers.schema.yaml").write_text(schema.read_text("utf-8"), encoding="utf-8")
    for name, text in {**_DBT, **_SQLMESH}.items():
        (FOLDER / f"{'dbt' if name in _DBT else 'sqlmesh'}_{Path(name).name}").write_text(
            text, encoding="utf-8"
        )


def _versions(peers: Peers) -> str:
    code = (
        "from importlib.metadata import version as v; "
        "print(*(f'{n} {v(n)}' for n in ('dbt-core', 'dbt-postgres', 'sqlmesh', 'dlt')), sep=', ')"
    )
    python = str(peers.environment / "bin/python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


def _dumped(connection: psycopg.Connection, schema: str, table: str) -> list[str]:
    """The table as statements that make it: a view becomes a table."""
    columns = connection.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [f"{schema}.{table}"],
    ).fetchall()
    typed = ",\n".join(
        f'  "{each}" {kind}{" NOT NULL" if required else ""}' for each, kind, required in columns
    )
    name = SQL("{}.{}").format(Identifier(schema), Identifier(table))
    items = [
        SQL(_EARLIER if kind.startswith("timestamp") else "quote_nullable({0})").format(
            Identifier(each)
        )
        for each, kind, _ in columns
    ]
    query = SQL("SELECT {} FROM {} ORDER BY customer_id, 1, 2, 3, 4, 5").format(
        SQL(", ").join(items), name
    )
    key = ",\n  PRIMARY KEY (customer_id)" if schema == "crm" else ""
    rows = [f"({', '.join(row)})" for row in connection.execute(query).fetchall()]
    return [
        f"CREATE SCHEMA IF NOT EXISTS {schema};\n",
        f"CREATE TABLE {schema}.{table} (\n{typed}{key}\n);\n",
        f"INSERT INTO {schema}.{table} VALUES\n" + ",\n".join(rows) + ";\n",
    ]


def _only_snapshots(manifest: Path) -> str:
    """The manifest's snapshots and sources; the rest is dbt's own macros, by the megabyte."""
    whole = json.loads(manifest.read_text("utf-8"))
    metadata = {name: whole["metadata"][name] for name in ("dbt_schema_version", "dbt_version")}
    kept = {
        "metadata": metadata,
        "nodes": {k: _slim(v) for k, v in whole["nodes"].items() if k.startswith("snapshot.")},
        "sources": {k: _slim(v) for k, v in whole["sources"].items()},
    }
    return json.dumps(kept, indent=1, sort_keys=True) + "\n"


def _slim(node: dict[str, object]) -> dict[str, object]:
    kept = ("resource_type", "name", "alias", "schema", "database", "identifier", "config",
            "depends_on", "relation_name", "unique_id")  # fmt: skip
    return {name: node[name] for name in kept if name in node}


if __name__ == "__main__":
    main(*sys.argv[1:2])
