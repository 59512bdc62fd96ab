"""One reader, one question, one process: `python read_table.py READER QUESTION.json ANSWER.arrow`.

Runs in the reader's environment, which has none of Strandline, and says in one line of JSON what
came of it: `rows` (in the Arrow file), `refused` with the error, or `no way` to ask.

QUESTION.json has `ask`, one of the questions; `metadata`, the path of the table's metadata file;
`table`, its directory; `snapshot`, a snapshot id; `branch` and `tag`, names; `as_of`, an instant
in ISO 8601; and `columns`, those to select.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

_IS_CURRENT = "is_current = true"


class NoWayError(Exception):
    """The reader has no parameter for it."""


def _holds(question: dict[str, Any]) -> str:
    """The rows asked for, as a condition that PyIceberg, DuckDB and Daft read."""
    at = question["as_of"]
    return f"valid_from <= '{at}' and (is_current = true or valid_to > '{at}')"


def by_pyiceberg(question: dict[str, Any]) -> Any:
    """PyIceberg, with its own conditions."""
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(question["metadata"])
    options: dict[str, Any] = {"selected_fields": tuple(question["columns"])}
    ask = question["ask"]
    if ask == "current":
        options["row_filter"] = _IS_CURRENT
    if ask == "as_of":
        options["row_filter"] = _holds(question)
    if ask == "snapshot":
        options["snapshot_id"] = question["snapshot"]
    scan = table.scan(**options)
    if ask in ("branch", "tag"):
        scan = scan.use_ref(question[ask])
    return scan.to_arrow()


def by_polars(question: dict[str, Any]) -> Any:
    """Polars, with conditions of its own."""
    from datetime import datetime

    import polars as pl

    ask, options = question["ask"], {}
    if ask in ("branch", "tag"):
        raise NoWayError
    if ask == "snapshot":
        options["snapshot_id"] = question["snapshot"]
    frame = pl.scan_iceberg(question["metadata"], **options)
    if ask == "current":
        frame = frame.filter(pl.col("is_current"))
    if ask == "as_of":
        at = pl.lit(datetime.fromisoformat(question["as_of"]))
        later = pl.col("is_current") | (pl.col("valid_to") > at)
        frame = frame.filter((pl.col("valid_from") <= at) & later)
    return frame.select(question["columns"]).collect().to_arrow()


def by_duckdb(question: dict[str, Any]) -> Any:
    """DuckDB with its iceberg extension, from the wheel beside it."""
    import duckdb
    import duckdb_extension_avro
    import duckdb_extension_iceberg

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    for package in (duckdb_extension_avro, duckdb_extension_iceberg):
        (file,) = Path(package.__path__[0]).rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    ask, options = question["ask"], ""
    if ask in ("branch", "tag"):
        raise NoWayError
    if ask == "snapshot":
        options = f", snapshot_from_id => {question['snapshot']}"
    query = f"SELECT {', '.join(question['columns'])} FROM iceberg_scan('{question['metadata']}'{options})"  # noqa: E501, S608 - a question of our own
    if ask == "current":
        query += " WHERE is_current"
    if ask == "as_of":
        query += f" WHERE {_holds(question)}"
    return connection.execute(query).to_arrow_table()


def by_daft(question: dict[str, Any]) -> Any:
    """Daft."""
    import daft

    ask, options = question["ask"], {}
    if ask == "snapshot":
        options["snapshot_id"] = question["snapshot"]
    if ask in ("branch", "tag"):
        options[ask] = question[ask]
    frame = daft.read_iceberg(question["metadata"], **options)
    if ask == "current":
        frame = frame.where(daft.col("is_current"))
    if ask == "as_of":
        from datetime import datetime

        at = daft.lit(datetime.fromisoformat(question["as_of"]))
        later = daft.col("is_current") | (daft.col("valid_to") > at)
        frame = frame.where((daft.col("valid_from") <= at) & later)
    return frame.select(*question["columns"]).to_arrow()


def by_chdb(question: dict[str, Any]) -> Any:
    """ClickHouse's engine, in this process."""
    import chdb
    import pyarrow as pa

    ask = question["ask"]
    if ask in ("branch", "tag"):
        raise NoWayError
    within = Path(question["metadata"]).relative_to(question["table"])
    options = ["session_timezone = 'UTC'"]
    if ask == "snapshot":
        options.append(f"iceberg_snapshot_id = {question['snapshot']}")
    newest = f"SETTINGS iceberg_metadata_file_path = '{within}'"
    columns = ", ".join(question["columns"])
    query = f"SELECT {columns} FROM icebergLocal('{question['table']}', {newest})"  # noqa: S608 - a question of our own
    if ask == "current":
        query += " WHERE is_current"
    if ask == "as_of":
        at = f"parseDateTime64BestEffort('{question['as_of']}', 6, 'UTC')"
        query += f" WHERE valid_from <= {at} AND (is_current OR valid_to > {at})"
    answer = chdb.query(f"{query} SETTINGS {', '.join(options)}", "Arrow")
    return pa.ipc.open_file(answer.bytes()).read_all()


READERS = {
    "pyiceberg": (by_pyiceberg, ("pyiceberg",)),
    "polars": (by_polars, ("polars", "pyiceberg")),
    "duckdb": (by_duckdb, ("duckdb", "duckdb-extension-iceberg")),
    "daft": (by_daft, ("daft", "pyiceberg")),
    "clickhouse": (by_chdb, ("chdb", "chdb-core")),
}
"""Each reader, and the packages whose versions matter."""


def answer(reader: str, question: dict[str, Any], to: Path) -> dict[str, Any]:
    """Ask, write what came to the Arrow file, and tell."""
    import pyarrow as pa

    ask, packages = READERS[reader]
    told: dict[str, Any] = {"versions": {name: version(name) for name in packages}}
    try:
        rows = ask(question)
    except NoWayError:
        return {**told, "outcome": "no way"}
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is its answer
        return {**told, "outcome": "refused", "error": f"{type(error).__name__}: {error}"}
    with pa.OSFile(str(to), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
    return {**told, "outcome": "rows"}


if __name__ == "__main__":
    _, name, asked, path = sys.argv
    print(json.dumps(answer(name, json.loads(Path(asked).read_text("utf-8")), Path(path))))
