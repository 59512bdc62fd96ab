from __future__ import annotations

import pytest
from pyiceberg.table import StaticTable
from pyspark.sql import functions as F

from history.iceberg import branches, deletion_vectors
from history.iceberg.deletion_vectors import FILE, POSITION, mark_deleted
from history.iceberg.java_table import java_table
from history.iceberg.table_metadata import table_metadata

BRANCH = "audit_b"
MERGE_ON_READ = "'write.delete.mode' = 'merge-on-read'"


@pytest.fixture
def table(spark, lake_namespace):
    """Hundred numbers in four files and two partitions, and a branch at its only snapshot."""
    name = f"{lake_namespace}.numbers"
    made(spark, name, "'format-version' = '3'")
    return name


def made(spark, name, properties):
    spark.sql(
        f"CREATE TABLE {name} (i bigint, open boolean) USING iceberg PARTITIONED BY (open)"
        f" TBLPROPERTIES ({properties}, {MERGE_ON_READ})"
    )
    rows = spark.range(0, 100, 1, 2).select(
        F.col("id").alias("i"), (F.col("id") % 4 > 0).alias("o")
    )
    rows.withColumnRenamed("o", "open").writeTo(name).option("fanout-enabled", "true").option(
        "use-table-distribution-and-ordering", "false"
    ).append()
    branches.create(spark, name, BRANCH, head(spark, name))


def head(spark, table):
    return branches.head(spark, table, "main")


def places(spark, table, condition):
    rows = spark.table(table).where(condition)
    return rows.select(F.col("_file").alias(FILE), F.col("_pos").alias(POSITION))


def numbers(spark, table):
    return sorted(row.i for row in spark.table(table).select("i").collect())


def on_branch(table):
    return branches.branch_of(table, BRANCH)


def test_rows_are_marked_where_they_lie_and_readers_of_main_see_nothing(spark, table):
    assert mark_deleted(places(spark, table, "i % 3 = 0"), table, BRANCH, base=head(spark, table))

    assert numbers(spark, on_branch(table)) == [i for i in range(100) if i % 3]
    assert numbers(spark, table) == [*range(100)]
    changes = branches.changes_on_branch(spark, table, BRANCH, head(spark, table))
    assert (changes.removed, changes.appended) == (34, 0)


def test_what_was_deleted_before_stays_deleted_with_one_vector_a_file(spark, table):
    for condition in ("i % 3 = 0", "i % 5 = 0 AND i < 50", "i = 99"):
        found = places(spark, table, condition)
        assert mark_deleted(found, table, BRANCH, base=head(spark, table))
        branches.fast_forward(spark, table, BRANCH)
        branches.create(spark, table, BRANCH, head(spark, table))

    left = [i for i in range(100) if i % 3 and not (i % 5 == 0 and i < 50)]
    assert numbers(spark, table) == left
    vectors = spark.table(f"{table}.delete_files").select("file_format", "record_count").collect()
    assert [row.file_format for row in vectors] == ["PUFFIN"] * 4
    assert sum(row.record_count for row in vectors) == 100 - len(left)
    assert _by_pyiceberg(spark, table) == left


def test_no_file_has_a_vector_that_has_no_such_row(spark, table):
    found = places(spark, table, "i = 7")
    (file,) = {row[FILE] for row in found.collect()}

    assert mark_deleted(found, table, BRANCH, base=head(spark, table))

    branches.fast_forward(spark, table, BRANCH)
    (vector,) = spark.table(f"{table}.delete_files").collect()
    assert (vector.referenced_data_file, vector.record_count) == (file, 1)


def test_spark_continues_with_a_merge_where_we_left_off(spark, table):
    mark_deleted(places(spark, table, "i < 10"), table, BRANCH, base=head(spark, table))
    branches.fast_forward(spark, table, BRANCH)
    spark.sql(f"DELETE FROM {table} WHERE i = 10")  # noqa: S608 - a name of the test's own
    branches.create(spark, table, BRANCH, head(spark, table))
    assert mark_deleted(places(spark, table, "i = 11"), table, BRANCH, base=head(spark, table))

    assert numbers(spark, on_branch(table)) == [*range(12, 100)]


@pytest.mark.parametrize(
    "reason", ["older format", "deletes of an older format", "many files", "connect"]
)
def test_where_it_can_t_be_done_nothing_is_written(spark, lake_namespace, reason, monkeypatch):
    name = f"{lake_namespace}.other"
    made(spark, name, f"'format-version' = '{2 if 'older format' in reason else 3}'")
    if reason == "deletes of an older format":
        spark.sql(f"DELETE FROM {name} WHERE i IN (1, 2)")  # noqa: S608
        branches.create(spark, name, BRANCH, head(spark, name))
    if reason == "many files":
        monkeypatch.setattr(deletion_vectors, "MOST_FILES", 1)
    if reason == "connect":
        monkeypatch.setattr(deletion_vectors, "java_table", lambda *_: None)
    before = table_metadata(spark, name)

    done = mark_deleted(places(spark, name, "i < 50"), name, BRANCH, base=head(spark, name))

    assert not done
    assert table_metadata(spark, name) == before


def test_a_file_that_others_have_replaced_meanwhile_is_no_place(spark, table):
    base, found = head(spark, table), places(spark, table, "i = 7").localCheckpoint()
    spark.table(table).writeTo(on_branch(table)).overwrite(F.lit(True))

    with pytest.raises(Exception, match="missing data files"):
        mark_deleted(found, table, BRANCH, base=base)
    assert numbers(spark, on_branch(table)) == [*range(100)]


def _by_pyiceberg(spark, table):
    location = java_table(spark, table).operations().current().metadataFileLocation()
    return sorted(StaticTable.from_metadata(location).scan().to_arrow()["i"].to_pylist())
