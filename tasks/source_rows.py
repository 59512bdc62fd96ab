"""Reading a source relation as a Spark frame, over JDBC, in slices side by side."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from contracts.model import Contract
from contracts.rules import RULES, Scope
from contracts.schema import source_schema
from contracts.source_query import Dialect
from history.columns import named
from tasks.handoff import Extraction
from tasks.run import Run


def source_rows(run: Run, extraction: Extraction) -> DataFrame:
    """The rows of the batch in the contract's types; each leaves the source once."""
    source = run.contract.source
    options = {
        **run.source.jdbc_options(),
        "fetchsize": str(source.batch_size),
        "queryTimeout": str(source.timeout_seconds),
    }
    url = options.pop("url")
    frame = run.spark.read.jdbc(
        url,
        f"({extraction.query}) AS batch",
        predicates=list(extraction.slices),
        properties=options,
    )
    fields = source_schema(run.contract).fields
    return frame.select(*[named(field.name).cast(field.dataType) for field in fields])


def relation_schema(run: Run, schema: str, table: str) -> T.StructType:
    """The columns of a relation as Spark reads them; no row is read."""
    query = f"SELECT * FROM {_quoted(run, schema, table)} WHERE 1 = 0"  # noqa: S608 - quoted
    return _relation(run, query).schema


def references(run: Run) -> Mapping[str, DataFrame]:
    """The relations that the contract's checks refer to, with the columns that they need."""
    needed: dict[str, set[str]] = {}
    for check in run.contract.checks:
        if RULES[check.rule].scope is Scope.REFERENCE:
            relation, column = str(check.arguments["relation"]), str(check.arguments["column"])
            needed.setdefault(relation, set()).add(column)
    dialect = Dialect(run.source.dialect)
    frames = {}
    for relation, columns in needed.items():
        chosen = ", ".join(dialect.quoted(column) for column in sorted(columns))
        name = _quoted(run, *relation.split("."))
        frames[relation] = _relation(run, f"SELECT DISTINCT {chosen} FROM {name}")  # noqa: S608
    return frames


def applied(contract: Contract) -> str:
    """The transformations of the columns with lineage, as the lineage ledger words them."""
    told = [
        f"{column.name}={column.transformation.name}({', '.join(column.sources)})"
        for column in contract.columns
        if column.lineage
    ]
    return "; ".join(told)[:500]


def _relation(run: Run, query: str) -> DataFrame:
    reader = run.spark.read.format("jdbc").options(**run.source.jdbc_options())
    return reader.option("query", query).load()


def _quoted(run: Run, *parts: str) -> str:
    dialect = Dialect(run.source.dialect)
    return ".".join(dialect.quoted(part) for part in parts)
