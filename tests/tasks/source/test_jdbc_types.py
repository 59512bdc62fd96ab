from __future__ import annotations

from contextlib import closing

import pytest

from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.source_database import SourceDatabase
from contracts.model.source_relation import RelationColumn
from tasks.source.jdbc_to_spark_types import jdbc_carrier, jdbc_readable_as
from tests.tasks.source.type_tables import arrives, differences, lines_of

LINES = lines_of("Any database with a JDBC driver")
DERBY = lines_of("Apache Derby")


@pytest.fixture(scope="module")
def source(h2):
    """A table that has a column for each line of the page."""
    columns = ", ".join(f'"c{number}" {each.declared}' for number, each in enumerate(LINES))
    values = ", ".join(each.value for each in LINES)
    h2.execute(
        "types",
        f'CREATE TABLE "every_type" ({columns})',
        f'INSERT INTO "every_type" VALUES ({values})',  # noqa: S608 - our own
        'INSERT INTO "every_type" DEFAULT VALUES',
    )
    return h2.source("types")


def test_every_line_of_the_page_is_so(spark, source):
    assert len(LINES) > 25
    assert differences(LINES, arrives(spark, source, "PUBLIC", "every_type", LINES)) == []


@pytest.fixture
def derby(spark):
    """The same of a database whose driver writes the text; it is in memory, in Spark's own JVM."""
    url, driver = "jdbc:derby:memory:types", "org.apache.derby.iapi.jdbc.AutoloadedDriver"
    registry = spark._jvm.org.apache.spark.sql.execution.datasources.jdbc.DriverRegistry
    registry.register(driver)
    columns = ", ".join(f'"c{number}" {each.declared}' for number, each in enumerate(DERBY))
    values = ", ".join(each.value for each in DERBY)
    connection = spark._jvm.java.sql.DriverManager.getConnection(f"{url};create=true")
    with closing(connection), closing(connection.createStatement()) as statement:
        statement.execute(f'CREATE TABLE APP."every_type" ({columns})')
        for row in (values, ", ".join("DEFAULT" for _ in DERBY)):
            statement.execute(f'INSERT INTO APP."every_type" VALUES ({row})')  # noqa: S608 - our own
    packages = ("org.apache.derby:derby:10.16.1.1",)
    settings = JdbcSettings(url=url, driver=driver, packages=packages, text="{column}")
    return SourceDatabase(dialect="jdbc", jdbc=settings)


def test_so_is_every_line_of_a_database_whose_driver_writes_the_text(spark, derby):
    assert len(DERBY) > 12
    assert differences(DERBY, arrives(spark, derby, "APP", "every_type", DERBY)) == []


@pytest.mark.parametrize("kind", ["boolean", "integer", "decimal", "timestamp", "other", "clob"])
def test_a_contract_may_name_each_type_that_is_told(h2, kind):
    settings = h2.source("types").jdbc
    column = RelationColumn("c", "KIND(10,2)", kind, nullable=True)

    ways = jdbc_readable_as(settings, column)

    assert ways
    assert all(jdbc_carrier(settings, column, way) is not None for way in ways)
