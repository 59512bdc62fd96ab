"""Reads with Spark on command, by lines of JSON: as a load of ours does, or Spark alone."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cpu_seconds import cpu_seconds
from benchmarks.load.worker import SETTINGS, Answer, Worker, main

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from blocks.source_dialects.consistent_read import SourceReading
    from tasks.compiler.compile_contract import CompiledContract

_FETCHED = 10_000
"""Rows a round trip of Spark's reader alone: as many as the contract asks for."""


class ReadingWorker(Worker):
    """The commands of the whole loads, but a load is a read alone."""

    def load(self, command: Mapping[str, Any]) -> Answer:
        """Read a table once.

        Args:
            command: `subject` (spark, strandline, writer, or copy_values, for which another process
                reads), `contract`, `columns`, and `path` for Parquet files, empty for none.
        """
        from blocks.lookup import block_lookup  # noqa: PLC0415

        settings = block_lookup.settings(SETTINGS)
        spark = settings.spark.session(settings.lakehouse)
        if command["subject"] == "copy_values":
            with self._reading(settings.slices, command) as (_, _, query, slices):
                return {"query": query, "slices": slices}
        subjects: dict[str, Callable[[], int | None]] = {
            "spark": lambda: self._plain(spark, command),
            "strandline": lambda: self._ours(spark, settings.slices, command),
        }
        if command["subject"] == "writer":
            held = self._held(spark, settings.slices, command)
            subjects["writer"] = lambda: _write(held, command["path"])
        cpu, began = cpu_seconds(), time.perf_counter()
        slices = subjects[command["subject"]]()
        seconds = time.perf_counter() - began
        answer: dict[str, Any] = {"seconds": seconds, "cpu": cpu_seconds() - cpu, "slices": slices}
        # Other subjects are to have the memory that the writer's rows took.
        spark.catalog.clearCache()
        if command["path"]:
            answer["rows"] = spark.read.parquet(command["path"]).count()
            shutil.rmtree(command["path"])
        return answer

    def _plain(self, spark: SparkSession, command: Mapping[str, Any]) -> None:
        from blocks.lookup import block_lookup  # noqa: PLC0415

        source = block_lookup.source(command["connection"])
        options = {
            "url": f"jdbc:postgresql://{source.host}:{source.port}/{source.database}",
            "driver": "org.postgresql.Driver",
            "user": source.user or "",
            "password": source.password.get_secret_value() if source.password else "",
            "fetchsize": str(_FETCHED),
            "dbtable": command["table"],
        }
        rows = spark.read.format("jdbc").options(**options).load().select(*command["columns"])
        _write(rows, command["path"])

    def _held(self, spark: SparkSession, most: int, command: Mapping[str, Any]) -> DataFrame:
        """The rows of ours, in the memory of Spark."""
        with self._reading(most, command) as (reading, compiled, query, slices):
            rows = _source_rows(spark, reading, compiled, query, slices).cache()
            rows.count()
        return rows

    def _ours(self, spark: SparkSession, most: int, command: Mapping[str, Any]) -> int:
        """What the steps `extract` and `protect` do up to the rows, with the same functions."""
        with self._reading(most, command) as (reading, compiled, query, slices):
            _write(_source_rows(spark, reading, compiled, query, slices), command["path"])
        return len(slices)

    @contextmanager
    def _reading(
        self, most: int, command: Mapping[str, Any]
    ) -> Iterator[tuple[SourceReading, CompiledContract, str, tuple[str, ...]]]:
        """An open read, with the query of its rows and the conditions that cut it."""
        from blocks.lookup import block_lookup  # noqa: PLC0415
        from contracts.loader import find_contract  # noqa: PLC0415
        from tasks.compiler.compile_contract import compile_contract  # noqa: PLC0415
        from tasks.extract import ROWS_A_SLICE  # noqa: PLC0415
        from tasks.source.dialect_of_source import sql_dialect_of  # noqa: PLC0415
        from tasks.source.jdbc_partitions import source_slices  # noqa: PLC0415

        source = block_lookup.source(command["connection"])
        contract = find_contract(command["contract"], self.root / "contracts")
        with source.reading(contract.source.timeout_seconds) as reading:
            relation = reading.relation(contract.source.schema, contract.source.table)
            compiled = compile_contract(
                contract,
                relation,
                target=f"lakehouse.{contract.target}",
                recorded=None,
                dialect=sql_dialect_of(source),
            )
            bounds = compiled.query.bounds(slices=most)
            *_, count, cuts = reading.query_row(bounds)
            slices = source_slices(
                min(most, int(str(count)) // ROWS_A_SLICE + 1),
                pages=compiled.query.pages,
                cuts=cuts if isinstance(cuts, list) else (),
                dialect=compiled.query.dialect,
            )
            yield reading, compiled, compiled.query.rows(), slices


def _source_rows(
    spark: SparkSession,
    reading: SourceReading,
    compiled: CompiledContract,
    query: str,
    slices: tuple[str, ...],
) -> DataFrame:
    from tasks.source.jdbc_reader import source_rows  # noqa: PLC0415

    return source_rows(spark, reading, compiled.rows, compiled.fetch, query=query, slices=slices)


def _write(rows: DataFrame, path: str) -> None:
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        rows.write.parquet(path)
    else:
        rows.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(ReadingWorker)
    sys.exit()
