"""One load of a table by dlt with the strategy scd2; run by the Python that has dlt.

`python run_dlt.py TABLE DATASET FOLDER` reads the connection's URL from `DRILL_URL`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import psycopg2
from psycopg2.extras import RealDictCursor


def main(table: str, dataset: str, folder: str) -> None:
    """Load the whole table, and export the schema that dlt made of it."""
    url = os.environ["DRILL_URL"]
    schemas = Path(folder) / "schemas"
    pipeline = dlt.pipeline(
        pipeline_name="crm",
        pipelines_dir=str(Path(folder) / "pipelines"),
        destination=dlt.destinations.postgres(url),
        dataset_name=dataset,
        export_schema_path=str(schemas),
    )
    resource = dlt.resource(
        _rows(url, table),
        name=table.rpartition(".")[2],
        primary_key="customer_id",
        write_disposition={"disposition": "merge", "strategy": "scd2"},
    )
    pipeline.run(resource).raise_on_failed_jobs()


def _rows(url: str, table: str) -> Iterator[list[dict[str, object]]]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor("rows", cursor_factory=RealDictCursor) as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of the drill's own
        while rows := cursor.fetchmany(20_000):
            yield [dict(row) for row in rows]


if __name__ == "__main__":
    main(*sys.argv[1:4])
