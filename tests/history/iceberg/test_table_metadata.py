from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import AnalysisException

from history.iceberg import branches, drop_table, table_metadata
from history.iceberg.java_table import java_table
from history.iceberg.table_metadata import current_and_properties


@pytest.fixture
def table(spark, lake_namespace):
    """Three snapshots, two published, a branch and a tag."""
    name = f"{lake_namespace}.`t t`"
    spark.sql(f"CREATE TABLE {name} (i int) TBLPROPERTIES ('a.b' = 'c''d', 'format-version' = '3')")
    for number in range(2):
        frame = spark.range(number, number + 1).selectExpr("int(id) AS i")
        frame.writeTo(name).option("snapshot-property.told", f"{number} ü").append()
    spark.sql(f"ALTER TABLE {name} CREATE TAG old")
    branches.create(spark, name, "audit_b", branches.head(spark, name, "main"))
    spark.range(1).selectExpr("int(id) AS i").writeTo(f"{name}.branch_audit_b").append()
    return name


def over_connect(monkeypatch):
    monkeypatch.setattr(table_metadata, "metadata_document", lambda *_: None)


def test_file_and_metadata_tables_say_the_same(spark, table, monkeypatch):
    from_file = table_metadata.table_metadata(spark, table)
    current, properties = current_and_properties(spark, table)
    over_connect(monkeypatch)

    assert table_metadata.table_metadata(spark, table) == from_file
    again, shown = current_and_properties(spark, table)
    assert (again, shown["a.b"]) == (current, properties["a.b"]) == (current, "c'd")
    assert from_file.refs["main"].snapshot == current
    assert {name: ref.is_branch for name, ref in from_file.refs.items()} == {
        "main": True, "old": False, "audit_b": True,
    }  # fmt: skip
    ours = [each.summary["told"] for each in from_file.ancestry(current)]
    assert ours == ["1 ü", "0 ü"]


@pytest.mark.parametrize("connect", [False, True])
def test_a_table_without_a_snapshot_and_one_that_is_missing(
    spark, lake_namespace, connect, monkeypatch
):
    if connect:
        over_connect(monkeypatch)
    name = f"{lake_namespace}.empty"
    spark.sql(f"CREATE TABLE {name} (i int)")

    assert current_and_properties(spark, name)[0] is None
    assert table_metadata.table_metadata(spark, name).snapshots == {}
    with pytest.raises(AnalysisException):
        current_and_properties(spark, f"{lake_namespace}.nowhere")


@pytest.mark.parametrize("connect", [False, True])
def test_a_dropped_table_leaves_no_file(spark, table, tmp_path, connect, monkeypatch):
    location = java_table(spark, table).location().removeprefix("file:")
    if connect:
        monkeypatch.setattr(drop_table, "over_connect", lambda _: True)
    files = _files(location)
    assert any(each.suffix == ".parquet" for each in files)

    drop_table.drop_with_files(spark, table)
    drop_table.drop_with_files(spark, table)

    assert not [each for each in _files(location) if not each.name.endswith(".crc")]
    with pytest.raises(AnalysisException):
        java_table(spark, table)


def _files(location):
    return [each for each in Path(location).rglob("*") if each.is_file()]
