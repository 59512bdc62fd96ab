"""`make import-drill`: histories of 100,000 rows by dbt and dlt, taken over and compared.

Both tools follow a table through several rounds of changes, in the embedded PostgreSQL. Then
`strandline import` takes their tables over, every row of the result is compared with every row of
theirs, and a load brings the history up to a further round. Exit code 1: something is not equal.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.text import Text

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from strandline.command_line import main as strandline
from strandline.terminal.text_table import Heading, text_table
from tools.import_drill.peer_projects import Peers

ROWS = 100_000
_ROUNDS = 5
_TABLE = f"""
CREATE SCHEMA crm;
CREATE TABLE crm.accounts (
  customer_id bigint PRIMARY KEY, branch varchar(20), city varchar(80), balance numeric(12,2),
  score double precision, opened date, updated_at timestamptz NOT NULL
);
INSERT INTO crm.accounts
SELECT n, 'branch ' || n % 50, 'city ' || n % 1000, n % 9973 / 100.0, n / 7.0,
       date '2020-01-01' + n % 1500, now()
FROM generate_series(1, {ROWS}) n;
"""  # noqa: S608 - a text of ours
_CHANGES = """
UPDATE crm.accounts SET balance = balance + {r}, updated_at = now() WHERE customer_id % 10 = {r};
UPDATE crm.accounts SET city = NULL, updated_at = now() WHERE customer_id % 97 = {r};
UPDATE crm.accounts SET updated_at = now() WHERE customer_id % 211 = {r};
DELETE FROM crm.accounts WHERE customer_id % 101 = {r};
INSERT INTO crm.accounts
SELECT n, 'branch back', 'city back', 0, NULL, NULL, now()
FROM generate_series(1, {rows}) n WHERE n % 101 = {r} - 2 ON CONFLICT DO NOTHING;
INSERT INTO crm.accounts
SELECT {rows} * {r} + n, 'branch new', 'city new', 1, 1, NULL, now()
FROM generate_series(1, 1000) n;
"""
_SNAPSHOT = """\
sources:
  - name: crm
    tables:
      - name: accounts
snapshots:
  - name: accounts_snapshot
    relation: source('crm', 'accounts')
    config:
      schema: snapshots
      unique_key: customer_id
      strategy: timestamp
      updated_at: updated_at
      hard_deletes: new_record
"""
_RECORD = ("customer_id", "branch", "city", "balance", "score", "opened", "updated_at")
_HEADINGS = (
    Heading("tool"),
    *(Heading(name, number=True) for name in ("rows", "versions", "open", "seconds")),
    Heading("equal"),
    *(Heading(name, number=True) for name in ("then changed", "opened", "closed")),
    Heading("equal to source"),
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A table of another tool, and what was typed to take it over."""

    tool: str
    words: tuple[str, ...]
    table: str
    interval: tuple[str, str]
    condition: str = "true"


def main(environment: str = ".venv-imports") -> int:
    """Run the drill and print its table."""
    with tempfile.TemporaryDirectory(prefix="strandline-drill-") as place:
        server = EmbeddedPostgres(Path(place) / "postgres")
        server.start()
        try:
            for name in ("drill", "lake"):
                server.create_database(name)
            peers = Peers(Path(environment).absolute(), server, "drill", Path(place))
            return _drill(peers, server.dsn_of("drill").get_secret_value())
        finally:
            server.stop()


def _drill(peers: Peers, dsn: str) -> int:
    screen = Console(width=110)
    cases = _histories(peers, dsn, screen)
    _write_blocks(peers)
    found = [_taken_over(case, dsn) for case in cases]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_CHANGES.format(r=_ROUNDS, rows=ROWS).encode())
    rows = [(*cells, *_followed(case)) for case, cells in zip(cases, found, strict=True)]
    screen.print(text_table(_HEADINGS, rows, width=110))
    return 0 if all(str(row[5]) == str(row[9]) == "yes" for row in rows) else 1


def _histories(peers: Peers, dsn: str, screen: Console) -> tuple[_Case, ...]:
    """What the tools make of all rounds but the last."""
    peers.write_dbt({"snapshots/accounts.yml": _SNAPSHOT})
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_TABLE.encode())
        for number in range(1, _ROUNDS):
            if number > 1:
                connection.execute(_CHANGES.format(r=number, rows=ROWS).encode())
            begun = time.monotonic()
            manifest = peers.dbt_snapshot()
            halfway = time.monotonic()
            schema = peers.dlt_load("crm.accounts", "dlt_crm")
            seconds = f"dbt {halfway - begun:.0f} s, dlt {time.monotonic() - halfway:.0f} s"
            screen.print(Text(f"round {number}: {seconds}", style="dim"))
    common = ("--source", "drill-db", "--no-samples", "--json")
    dbt = ("dbt", str(manifest), *common, "--name", "accounts_of_dbt", "--target", "taken.by_dbt")
    dlt = ("dlt", str(schema), *common, "--name", "accounts_of_dlt", "--target", "taken.by_dlt")
    return (
        _Case(
            "dbt",
            dbt,
            "analytics_snapshots.accounts_snapshot",
            ("dbt_valid_from", "dbt_valid_to"),
            "dbt_is_deleted = 'False'",
        ),
        _Case(
            "dlt",
            (*dlt, "--table", "crm.accounts", "--history", "dlt_crm.accounts"),
            "dlt_crm.accounts",
            ("_dlt_valid_from", "_dlt_valid_to"),
        ),
    )


def _write_blocks(peers: Peers) -> None:
    root, server = peers.folder, peers.server
    spark = SparkRuntime(kind="local", master="local[2]", log_directory=root / "logs")
    lakehouse = Lakehouse(
        catalog="lake",
        warehouse=str(root / "warehouse"),
        uri=f"jdbc:postgresql://{server.host}:{server.port}/lake",
        user=server.user,
        password=server.password,
    )
    keys = LocalKeyRing(path=root / "keys.json", key_encryption_key=LocalKeyRing.generate_key())
    settings = RunSettings(
        spark=spark,
        lakehouse=lakehouse,
        key_ring=keys,
        contracts_directory=root / "contracts",
        state_directory=root / "state",
    )
    source = SourceDatabase(
        host=server.host,
        port=server.port,
        database=peers.database,
        user=server.user,
        password=server.password,
    )
    path = block_lookup.save_local(
        root / "blocks.yaml",
        ("default", settings),
        ("local", spark),
        ("local", lakehouse),
        ("local", keys),
        ("drill-db", source),
    )
    os.environ[block_lookup.VARIABLE] = str(path)


def _taken_over(case: _Case, dsn: str) -> tuple[str, ...]:
    told = _typed("import", *case.words)
    start, end = case.interval
    query = (
        f"SELECT {', '.join(_RECORD)}, {start}, {end} FROM {case.table}"  # noqa: S608 - ours
        f" WHERE {case.condition}"
    )
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TimeZone TO 'UTC'")
        peer = Counter(tuple(map(_plain, row)) for row in connection.execute(query.encode()))
        count = connection.execute(f"SELECT count(*) FROM {case.table}".encode()).fetchone()  # noqa: S608
    settings = block_lookup.settings("default")
    history = settings.spark.session(settings.lakehouse).table(f"lake.{told['target']}")
    rows = history.select(*_RECORD, "valid_from", "valid_to").toLocalIterator()
    ours = Counter(tuple(map(_plain, row)) for row in rows)
    return (
        case.tool,
        f"{count[0] if count else 0:,}",
        f"{told['versions']:,}",
        f"{told['open']:,}",
        f"{told['seconds']:.0f}",
        "yes" if peer == ours else "NO",
    )


def _followed(case: _Case) -> tuple[str, ...]:
    """A load of what changed since, and whether the open versions are the source's rows then."""
    name = case.words[case.words.index("--name") + 1]
    (load,) = _typed("run", name, "--json")["loads"]
    state = _typed("verify", name, "--json")["state"]
    counts = (load["versions_opened"], load["versions_closed"])
    changed = f"{sum(counts):,}"
    return changed, *(f"{each:,}" for each in counts), "yes" if state == "equal" else "NO"


def _typed(*words: str) -> dict[str, Any]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = strandline([*words])
    answer: dict[str, Any] = json.loads(told.getvalue())
    if code:
        message = f"strandline {words[0]} ended with {code}: {answer}"
        raise RuntimeError(message)
    return answer


def _plain(value: object) -> object:
    """Equal for equal values of both sides: a number by its value, a time without its zone."""
    if isinstance(value, Decimal):
        return value.normalize()
    return str(value).removesuffix("+00:00") if hasattr(value, "isoformat") else value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
