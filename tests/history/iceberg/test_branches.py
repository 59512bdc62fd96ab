from __future__ import annotations

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from blocks.lakehouse import Lakehouse
from blocks.spark_runtime import SparkRuntime
from contracts.errors import CommitConflictError
from history.iceberg import branches
from tests.history.iceberg.lost_answer import way_to

TABLE = "lost_lake.n.t"


@pytest.fixture(scope="module")
def way(postgres):
    postgres.create_database("lost_catalog")
    with way_to(postgres.port) as way:
        yield way


@pytest.fixture(scope="module")
def session(spark, postgres, way, tmp_path_factory):
    """A session whose catalog lies at the other end of a way that loses answers."""
    folder = tmp_path_factory.mktemp("lost")
    lakehouse = Lakehouse(
        catalog="lost_lake",
        warehouse=str(folder / "lake"),
        uri=f"jdbc:postgresql://127.0.0.1:{way.port}/lost_catalog?prepareThreshold=0",
        user=postgres.user,
        password=postgres.password,
    )
    session = SparkRuntime(master="local[2]", log_directory=folder).session(lakehouse)
    session.sql("CREATE NAMESPACE lost_lake.n")
    return session


@pytest.fixture
def head(session):
    """The head of a branch `audit_b` that is one batch before main."""
    session.sql(f"DROP TABLE IF EXISTS {TABLE}")
    session.sql(f"CREATE TABLE {TABLE} (i int)")
    put(session, 1)
    base = session.table(f"{TABLE}.snapshots").first().snapshot_id
    branches.create(session, TABLE, "audit_b", base)
    put(session, 2, f"{TABLE}.branch_audit_b")
    return branches.head(session, TABLE, "audit_b")


def put(session, number: int, table: str = TABLE) -> None:
    session.range(number, number + 1).selectExpr("int(id) AS i").writeTo(table).append()


def rows(session) -> list[int]:
    return sorted(row.i for row in session.table(TABLE).collect())


def test_a_batch_whose_publication_was_not_answered_is_published(session, way, head):
    way.losing = b"UPDATE iceberg_tables"

    assert branches.fast_forward(session, TABLE, "audit_b") == head
    assert way.lost == 1
    assert rows(session) == [1, 2]


@pytest.mark.parametrize("then", [None, 3])
def test_an_unknown_state_is_looked_up_also_where_another_has_published_since(
    session, head, then, monkeypatch
):
    def forgetful(*arguments, move=branches.move_main):
        move(*arguments)
        if then:
            put(session, then)
        raise PySparkException("org.apache.iceberg.exceptions.CommitStateUnknownException")

    monkeypatch.setattr(branches, "move_main", forgetful)

    assert branches.fast_forward(session, TABLE, "audit_b") == head
    assert rows(session) == ([1, 2, 3] if then else [1, 2])


def test_a_branch_is_published_while_others_change_tags(session, head, monkeypatch):
    def disturbed(*arguments, move=branches.move_main):
        told.append(1)
        if len(told) < 3:
            raise PySparkException("org.apache.iceberg.exceptions.CommitFailedException")
        move(*arguments)

    told: list[int] = []
    monkeypatch.setattr(branches, "move_main", disturbed)

    assert branches.fast_forward(session, TABLE, "audit_b") == head
    assert (len(told), rows(session)) == (3, [1, 2])


@pytest.mark.parametrize("over_connect", [False, True])
def test_what_is_published_has_no_branch_left(session, head, over_connect, monkeypatch):
    if over_connect:
        monkeypatch.setattr(branches, "java_table", lambda *_: None)

    assert branches.fast_forward(session, TABLE, "audit_b") == head
    assert [row.name for row in session.table(f"{TABLE}.refs").collect()] == ["main"]


def test_another_who_published_first_is_a_conflict(session, head):
    put(session, 3)

    with pytest.raises(CommitConflictError):
        branches.fast_forward(session, TABLE, "audit_b")
    assert rows(session) == [1, 3]


def test_a_catalog_that_stays_away_is_told_as_such_and_the_batch_is_there(session, way, head):
    way.losing, way.stays_down = b"UPDATE iceberg_tables", True

    with pytest.raises((Py4JJavaError, PySparkException)):
        branches.fast_forward(session, TABLE, "audit_b")
    way.down = way.stays_down = False
    assert rows(session) == [1, 2]
