"""The tables of docs/source-types.md, each line of which is a test."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from pyspark.sql import functions as F

from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, SourceColumn
from contracts.model.database_type_names import spark_type
from contracts.model.reserved_column_names import UNFIT
from contracts.schemas.spark_schemas import source_schema
from history.spark.column_quoting_and_comparison import named
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_reader import Fetch, source_rows
from tasks.source.source_query import compile_source_query
from tasks.source.source_schema_drift import refuse_drift, schema_drift

PAGE = Path(__file__).parents[3] / "docs" / "source-types.md"
_LINE = re.compile(r"^\| (?:`(.+?)`|no type) \| `(.+?)` \| ([A-Z0-9(), ]+?) \| (.+) \|$")
NOT_READ = "not read"


@dataclass(frozen=True)
class Line:
    """A declared type, a value in SQL, a contract's type, and what arrives."""

    declared: str
    value: str
    wanted: str
    becomes: str

    @property
    def spark(self) -> str:
        """The Spark type of the contract."""
        kind = spark_type(self.wanted)
        assert kind is not None, self.wanted
        return kind


def lines_of(section: str) -> list[Line]:
    """The lines of the table below a heading."""
    text = re.split(rf"\n##+ {section}\n", PAGE.read_text(encoding="utf-8"))[1]
    text = re.split(r"\n##", text)[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    found = [_LINE.match(row) for row in rows]
    assert all(found), [row for row, match in zip(rows, found, strict=True) if not match]
    return [Line(*[part or "" for part in match.groups()]) for match in found if match]


def contract_of(lines, schema, table):
    """A contract that reads the column of each line."""
    shipped = find_contract("new_source_table", TABLES)
    columns = tuple(SourceColumn(f"c{number}", each.spark) for number, each in lines)
    source = replace(
        shipped.source,
        schema=schema,
        table=table,
        columns=columns,
        load=LoadKind.FULL,
        watermark=(),
        partition_column=None,
    )
    return replace(shipped, source=source)


def arrives(spark, source, schema, table, lines):
    """What arrives of the one row of a table with a column for each line, in the page's words.

    A second row has nothing in any column, and so it arrives.
    """
    dialect = sql_dialect_of(source)
    with source.reading() as reading:
        relation = reading.relation(schema, table)
        numbered = list(enumerate(lines))
        everything = contract_of(numbered, schema, table)
        refused = {
            number
            for number, _ in numbered
            if any(f" c{number} " in each for each in schema_drift(relation, everything, dialect))
        }
        read = [(number, each) for number, each in numbered if number not in refused]
        contract = contract_of(read, schema, table)
        refuse_drift(relation, contract, dialect)
        query = compile_source_query(contract, relation, dialect=dialect).rows()
        frame = source_rows(spark, reading, source_schema(contract), Fetch(100, 60), query=query)
        assert [field.dataType.simpleString() for field in frame.schema][:-1] == [
            each.spark for _, each in read
        ]
        shown = [_shown(f"c{number}", each.spark).alias(f"c{number}") for number, each in read]
        row, nothing = frame.select(*shown, named(UNFIT)).collect()
    assert {name: value for name, value in nothing.asDict().items() if value is not None} == {}
    unfit = json.loads(row[UNFIT] or "{}")
    values = {number: row[f"c{number}"] for number, _ in read}
    found = []
    for number, _ in numbered:
        name = f"c{number}"
        if number in refused:
            found.append(NOT_READ)
        elif name in unfit:
            assert values[number] is None
            found.append(f"refused: `{unfit[name]}`")
        else:
            found.append(f"`{values[number]}`" if values[number] is not None else "null")
    return found


def _shown(name, kind):
    return F.hex(named(name)) if kind == "binary" else named(name).cast("string")


def differences(lines, found):
    """The lines of the page that are not what arrives."""
    return [
        (each.declared, each.value, each.wanted, each.becomes, one)
        for each, one in zip(lines, found, strict=True)
        if each.becomes != one
    ]
