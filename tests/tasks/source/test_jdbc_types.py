from __future__ import annotations

import pytest

from contracts.model.source_relation import RelationColumn
from tasks.source.jdbc_to_spark_types import jdbc_carrier, jdbc_readable_as
from tests.tasks.source.type_tables import arrives, differences, lines_of

LINES = lines_of("Any database with a JDBC driver")


@pytest.fixture(scope="module")
def source(h2):
    """A table that has a column for each line of the page."""
    columns = ", ".join(f'"c{number}" {each.declared}' for number, each in enumerate(LINES))
    values = ", ".join(each.value for each in LINES)
    h2.execute(
        "types",
        f'CREATE TABLE "every_type" ({columns})',
        f'INSERT INTO "every_type" VALUES ({values})',  # noqa: S608 - our own
    )
    return h2.source("types")


def test_every_line_of_the_page_is_so(spark, source):
    assert len(LINES) > 25
    assert differences(LINES, arrives(spark, source, "PUBLIC", "every_type", LINES)) == []


@pytest.mark.parametrize("kind", ["boolean", "integer", "decimal", "timestamp", "other", "clob"])
def test_a_contract_may_name_each_type_that_is_told(h2, kind):
    settings = h2.source("types").jdbc
    column = RelationColumn("c", "KIND(10,2)", kind, nullable=True)

    ways = jdbc_readable_as(settings, column)

    assert ways
    assert all(jdbc_carrier(settings, column, way) is not None for way in ways)
