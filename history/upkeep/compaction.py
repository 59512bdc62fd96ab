"""Which partitions of a table have too many small files or deleted rows, and rewriting those.

The limits are those of Iceberg's own planner, checked beforehand in the table's metadata: if no
partition exceeds one, nothing is planned and no data file is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from history.spark.column_quoting_and_comparison import quoted

_MEGABYTE = 1024 * 1024
_SMALL_MANIFEST = 4 * _MEGABYTE
"""Half of Iceberg's target size of a rewritten manifest."""
_UNORDERED = (T.MapType, T.StructType, T.ArrayType, T.VariantType)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionLimits:
    """The limits beyond which a partition's files are rewritten.

    Attributes:
        small_files: This many small or worn files of one partition are joined.
        small_file_mb: A file below this size is small. Larger files are not rewritten, so that the
            rewritten data stays in proportion to the added data.
        delete_ratio: A file is worn when this share of its rows, in (0, 1], is deleted; one worn
            file is reason enough.
        target_file_mb: The size to write files in.
        manifests: Manifests are joined when a table has more than this many small ones.
    """

    small_files: int = 5
    small_file_mb: int = 32
    delete_ratio: float = 0.1
    target_file_mb: int = 512
    manifests: int = 20


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a snapshot: counts, and octets of data and deletes together.

    `rewritable` counts data files to rewrite, in partitions that exceed a limit.
    """

    data: int = 0
    deletes: int = 0
    octets: int = 0
    rewritable: int = 0


def files_of(spark: SparkSession, table: str, snapshot_id: int, limits: CompactionLimits) -> Files:
    """The files of a snapshot, from its manifests alone."""
    metadata = spark.read.option("versionAsOf", str(snapshot_id)).table(f"{table}.files")
    partition = F.to_json("partition") if "partition" in metadata.columns else F.lit("")
    files = metadata.select(
        F.col("content"),
        partition.alias("partition"),
        F.col("file_path"),
        F.col("referenced_data_file"),
        F.col("record_count").alias("rows"),
        F.coalesce("content_size_in_bytes", "file_size_in_bytes").alias("octets"),
    )
    deletes = files.where("content <> 0")
    deleted = deletes.groupBy(F.col("referenced_data_file").alias("file_path")).agg(
        F.sum("rows").alias("gone")
    )
    data = files.where("content = 0").join(deleted, "file_path", "left")
    worn = F.coalesce("gone", F.lit(0)) >= F.lit(limits.delete_ratio) * F.col("rows")
    worn = worn & (F.coalesce("gone", F.lit(0)) > 0)
    eligible = worn | (F.col("octets") < limits.small_file_mb * _MEGABYTE)
    size = F.coalesce(F.sum(F.when(eligible, F.col("octets"))), F.lit(0))
    partitions = data.groupBy("partition").agg(
        F.count("*").alias("data"),
        F.sum("octets").alias("octets"),
        F.count_if(eligible).alias("eligible"),
        F.count_if(worn).alias("worn"),
        size.alias("size"),
    )
    many = F.col("eligible") >= max(limits.small_files, 2)
    large = (F.col("eligible") > 1) & (F.col("size") > limits.target_file_mb * _MEGABYTE)
    exceeds = (F.col("worn") > 0) | many | large
    totals = partitions.agg(
        F.coalesce(F.sum("data"), F.lit(0)).alias("data"),
        F.coalesce(F.sum("octets"), F.lit(0)).alias("octets"),
        F.coalesce(F.sum(F.when(exceeds, F.col("eligible"))), F.lit(0)).alias("rewritable"),
    )
    removed = deletes.agg(
        F.count("*").alias("deletes"), F.coalesce(F.sum("octets"), F.lit(0)).alias("removed")
    )
    row = totals.crossJoin(removed).collect()[0]
    return Files(row.data, row.deletes, row.octets + row.removed, row.rewritable)


def rewrite_data_files(
    spark: SparkSession,
    table: str,
    branch: str,
    order: Sequence[str],
    limits: CompactionLimits,
) -> int:
    """Rewrite, sorted, the files beyond a limit on the branch; returns how many it replaced."""
    catalog, _, table_name = table.partition(".")
    options = {
        "min-input-files": max(limits.small_files, 2),
        "min-file-size-bytes": limits.small_file_mb * _MEGABYTE,
        "target-file-size-bytes": limits.target_file_mb * _MEGABYTE,
        "delete-ratio-threshold": limits.delete_ratio,
    }
    option_pairs = ", ".join(f"'{name}', '{value}'" for name, value in options.items())
    strategy = ""
    if order:
        terms = ", ".join(f"{quoted(name)} ASC NULLS LAST" for name in order)
        strategy = f"strategy => 'sort', sort_order => '{_escaped(terms)}', "
    result = spark.sql(
        f"CALL {catalog}.system.rewrite_data_files(table => '{table_name}', {strategy}"
        f"branch => '{branch}', options => map({option_pairs}))"
    ).collect()[0]
    return int(result.rewritten_data_files_count)


def sortable(schema: T.StructType, names: Sequence[str]) -> tuple[str, ...]:
    """Of the named columns, those that Iceberg can sort by."""
    return tuple(name for name in names if not isinstance(schema[name].dataType, _UNORDERED))


def small_manifests(spark: SparkSession, table: str) -> int:
    """How many manifests of the current snapshot are small enough to be joined."""
    return spark.table(f"{table}.manifests").where(F.col("length") < _SMALL_MANIFEST).count()


def join_manifests(spark: SparkSession, table: str) -> None:
    """Rewrite the manifests of the current snapshot, by partition."""
    catalog, _, table_name = table.partition(".")
    spark.sql(f"CALL {catalog}.system.rewrite_manifests(table => '{table_name}')").collect()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
