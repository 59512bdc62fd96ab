"""Who reads, and where to: the names that the processes and the table share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COLUMNS", "LIMIT", "SUBJECTS", "VALUES", "WRITER", "Subject"]

Where = Literal["here", "spark", "peers"]

COLUMNS = (
    "id",
    "name",
    "city",
    "email",
    "balance",
    "born_on",
    "active",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One way to read the table.

    Attributes:
        name: In the table, and as its process knows it.
        where: Which process reads: this one, the one with Spark, or the one with other loaders.
        to: `nowhere`, where every value is decoded and dropped, or `parquet` files.
        note: What it does.
    """

    name: str
    where: Where
    to: Literal["nowhere", "parquet"]
    note: str


LIMIT, VALUES, WRITER = "copy", "copy_values", "writer_parquet"
SUBJECTS: dict[str, Subject] = {
    each.name: each
    for each in (
        Subject(LIMIT, "here", "nowhere", "COPY ... (FORMAT binary), bytes dropped undecoded"),
        Subject(VALUES, "here", "nowhere", "COPY of the SELECT that ours reads, two at once"),
        Subject("spark", "spark", "nowhere", "Spark's JDBC reader, one connection"),
        Subject("strandline", "spark", "nowhere", "one snapshot, bounds, slices of pages"),
        Subject("spark_parquet", "spark", "parquet", "Spark's JDBC reader, one connection"),
        Subject("strandline_parquet", "spark", "parquet", "one snapshot, bounds, slices of pages"),
        Subject(WRITER, "spark", "parquet", "Spark alone: the rows are in its memory before"),
        Subject("adbc_parquet", "peers", "parquet", "ADBC (COPY) to PyArrow, one connection"),
        Subject("connectorx_parquet", "peers", "parquet", "ConnectorX (Rust), 4 ranges of the key"),
        Subject("dlt_connectorx", "peers", "parquet", "dlt, backend ConnectorX, to files"),
        Subject("dlt_pyarrow", "peers", "parquet", "dlt, backend PyArrow, to files"),
    )
}
