from __future__ import annotations

import pytest

from contracts.model.source_relation import RelationColumn
from tasks.source.mariadb_to_spark_types import mariadb_carrier, mariadb_readable_as
from tests.tasks.source.type_tables import NOT_READ, arrives, differences, lines_of

LINES = lines_of("MariaDB and MySQL")
NOTHING = {"point"}
"""What no contract can read."""


@pytest.fixture(scope="module")
def source(mariadb):
    """A table that has a column for each line of the page."""
    columns = ", ".join(f"c{number} {each.declared}" for number, each in enumerate(LINES))
    values = ", ".join(each.value for each in LINES)
    mariadb.execute(
        "CREATE DATABASE types CHARACTER SET utf8mb4",
        f"CREATE TABLE types.every_type ({columns})",
        f"INSERT INTO types.every_type VALUES ({values})",  # noqa: S608 - our own
        "INSERT INTO types.every_type () VALUES ()",
        variables="sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'",
    )
    yield mariadb.source("types", user="reader")
    mariadb.execute("DROP DATABASE types")


def test_every_line_of_the_page_is_so(spark, source):
    assert len(LINES) > 50
    assert differences(LINES, arrives(spark, source, "types", "every_type", LINES)) == []


def test_a_contract_may_name_each_type_that_is_told(source):
    declared = {*source.columns("types", "every_type").values()}

    for kind in declared - NOTHING:
        column = RelationColumn("c", kind, "base", nullable=True)
        ways = mariadb_readable_as(column)
        assert ways, kind
        assert all(mariadb_carrier(column, way) is not None for way in ways), kind
    assert {each.becomes for each in LINES if each.declared.lower() in NOTHING} == {NOT_READ}
