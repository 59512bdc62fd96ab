"""Source rows and outcome of a tool that keeps its history in a DuckDB file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.history.cases import ATTRIBUTES, KEY, TIME, Outcome, outcome_query

MOMENTS = (TIME, "registered_at")


def source_query(files: Path) -> str:
    """The SELECT of the Parquet files in a directory, moments as UTC without a zone."""
    rest = [name for name in ATTRIBUTES if name not in MOMENTS]
    moments = [f"CAST({name} AS TIMESTAMP) AS {name}" for name in MOMENTS]
    return f"SELECT {', '.join([KEY, *rest, *moments])} FROM read_parquet('{files}/*.parquet')"  # noqa: S608


def offer(files: list[Path], directory: Path) -> None:
    """Make these Parquet files the only ones in the directory."""
    directory.mkdir(exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for file in files:
        (directory / file.name).symlink_to(file)


def outcome(file: Path, table: str, *, end: str) -> Outcome:
    """Count the versions of a table whose current ones have a null `end`."""
    query = outcome_query(
        table, key=KEY, time=TIME, current=f"{end} IS NULL", end=end, micros="epoch_us"
    )
    with duckdb.connect(str(file)) as connection:
        row = connection.execute(query).fetchone() or (0, 0, 0, 0)
    return Outcome(*row)
