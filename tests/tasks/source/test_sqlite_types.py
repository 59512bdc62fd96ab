from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from blocks.source_database import SourceDatabase
from contracts.model.source_relation import RelationColumn
from tasks.source.sqlite_to_spark_types import sqlite_carrier, sqlite_readable_as
from tests.tasks.source.type_tables import arrives, differences, lines_of

LINES = lines_of("SQLite")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A file with a table that has a column for each line of the page."""
    file = tmp_path_factory.mktemp("sqlite") / "all types?.db"
    columns = ", ".join(f"c{number} {each.declared}" for number, each in enumerate(LINES))
    values = ", ".join(each.value for each in LINES)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE every_type ({columns})")
        connection.execute(f"INSERT INTO every_type VALUES ({values})")  # noqa: S608
        connection.execute("INSERT INTO every_type DEFAULT VALUES")
        connection.commit()
    return SourceDatabase(dialect="sqlite", database=str(file))


def test_every_line_of_the_page_is_so(spark, source):
    assert len(LINES) > 50
    assert differences(LINES, arrives(spark, source, "main", "every_type", LINES)) == []


@pytest.mark.parametrize("declared", sorted({each.declared for each in LINES}))
def test_a_contract_may_name_each_type_that_is_told(declared):
    column = RelationColumn("c", declared, "base", nullable=True)

    ways = sqlite_readable_as(column)

    assert ways
    assert all(sqlite_carrier(column, way) is not None for way in ways)
