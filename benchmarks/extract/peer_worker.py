"""Reads with other loaders on command, by lines of JSON, in an environment that has these alone."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import dlt
import pyarrow.parquet as pq
from dlt.destinations import filesystem
from dlt.sources.sql_database import sql_table

from benchmarks.cpu_seconds import cpu_seconds

RANGES = 4
"""Of the key, which are read side by side."""
_CHUNK = 100_000
"""Rows that dlt holds at a time."""


def _url(server: Mapping[str, Any], scheme: str) -> str:
    return (
        f"{scheme}://{server['user']}:{server['password']}@{server['host']}:{server['port']}"
        f"/{server['database']}"
    )


def _adbc(command: Mapping[str, Any], path: Path) -> None:
    path.mkdir(parents=True)
    with (
        adbc.connect(_url(command["server"], "postgresql")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(_select(command))
        batches = cursor.fetch_record_batch()
        with pq.ParquetWriter(path / "rows.parquet", batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)


def _connectorx(command: Mapping[str, Any], path: Path) -> None:
    path.mkdir(parents=True)
    table = connectorx.read_sql(
        _url(command["server"], "postgresql"),
        _select(command),
        partition_on="id",
        partition_num=RANGES,
        return_type="arrow",
    )
    pq.write_table(table, path / "rows.parquet")


def _dlt(backend: str) -> Callable[[Mapping[str, Any], Path], None]:
    def read(command: Mapping[str, Any], path: Path) -> None:
        schema, table = command["table"].split(".")
        resource = sql_table(
            credentials=_url(command["server"], "postgresql+psycopg2"),
            schema=schema,
            table=table,
            backend=backend,
            chunk_size=_CHUNK,
            included_columns=command["columns"],
            **({"backend_kwargs": {"return_type": "arrow_stream"}} if backend != "pyarrow" else {}),
        )
        pipeline = dlt.pipeline(
            pipeline_name="read",
            pipelines_dir=str(path.with_name("pipelines")),
            destination=filesystem(bucket_url=path.as_uri()),
            dataset_name="rows",
        )
        pipeline.run(resource, loader_file_format="parquet", write_disposition="replace")

    return read


SUBJECTS: dict[str, Callable[[Mapping[str, Any], Path], None]] = {
    "adbc_parquet": _adbc,
    "connectorx_parquet": _connectorx,
    "dlt_connectorx": _dlt("connectorx"),
    "dlt_pyarrow": _dlt("pyarrow"),
}
DISTRIBUTIONS = ("adbc-driver-postgresql", "connectorx", "dlt", "pyarrow", "psycopg2-binary")


def _select(command: Mapping[str, Any]) -> str:
    return f"SELECT {', '.join(command['columns'])} FROM {command['table']}"  # noqa: S608


def _load(command: Mapping[str, Any]) -> dict[str, Any]:
    path = Path(command["path"])
    cpu, began = cpu_seconds(), time.perf_counter()
    SUBJECTS[command["subject"]](command, path)
    measured = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu}
    name = command["table"].split(".")[1]
    files = [each for each in path.rglob("*.parquet") if each.parent.name in (name, path.name)]
    rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
    shutil.rmtree(path)
    shutil.rmtree(path.with_name("pipelines"), ignore_errors=True)
    return {**measured, "rows": rows}


def main() -> None:
    """Answer commands until there are no more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--channel", required=True, type=int)
    options = parser.parse_args()
    os.set_inheritable(options.channel, False)
    with os.fdopen(options.channel, "w", buffering=1) as channel:
        for line in sys.stdin:
            command = json.loads(line)
            try:
                if command["do"] == "versions":
                    answer: dict[str, Any] = {name: version(name) for name in DISTRIBUTIONS}
                else:
                    answer = _load(command)
            except Exception as error:  # noqa: BLE001 - any error of a loader is its answer
                traceback.print_exc()
                answer = {"failed": f"{type(error).__name__}: {error}"}
            channel.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
