#!/bin/sh
# MERGE says that a target row matched several source rows, which none did, where the target has a
# column called __row_id.
#
# Versions: Apache Spark 4.1.4 (PySpark), on a table of Apache Iceberg 1.12.0.
# Expected: two target rows, each matched by one source row, are updated, whatever the other columns
#   are called: MERGE fails if "the ON condition matched a single row from the target table with multiple
#   rows of the source table" (Spark's error conditions, MERGE_CARDINALITY_VIOLATION). Spark's
#   documentation reserves no names.
# Happens: Spark numbers the target's rows in a column of that name and looks for it by its name; it
#   finds the table's own. Rows with equal numbers in it, and texts of any value, are taken for one row.
#   With the column called row_id the same statement updates both.
#
# Run: sh findings/spark_merge_row_id.sh
# Needs Python 3.10 or newer with venv, Java 17 or 21 on the PATH, and a way to PyPI and to Maven
# Central. Everything is put into a temporary folder (about 1 GB) that is removed at the end.
# Ends with 0 while it is as stated, with 3 when the behaviour has changed, and with anything else
# when it could not be run.
set -eu

umask 022
place=$(mktemp -d)
trap 'cd / && rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$place"

export TMPDIR="$place" SPARK_LOCAL_IP=127.0.0.1 PIP_ROOT_USER_ACTION=ignore
unset SPARK_HOME SPARK_CONF_DIR SPARK_REMOTE PYTHONPATH
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  'pyspark==4.1.4'

venv/bin/python - "$place" <<'PYTHON'
import sys
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

ROOT = Path(sys.argv[1]) / "warehouse"
TABLE = "lake.zoo.animals"


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars.packages", "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0")
    .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
    .config("spark.sql.catalog.lake.type", "hadoop")
    .config("spark.sql.catalog.lake.warehouse", str(ROOT))
    .config(
        "spark.sql.extensions",
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    )
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config(
        "spark.driver.extraJavaOptions",
        f"-Duser.timezone=UTC -Djava.io.tmpdir={sys.argv[1]}",
    )
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


def merged(column, kind, values):
    """What the two rows of the table have after a MERGE of one source row for each."""
    spark.sql(f"CREATE OR REPLACE TABLE {TABLE} (name STRING, legs INT, {column} {kind}) USING iceberg")
    spark.sql(f"INSERT INTO {TABLE} VALUES ('ant', 0, {values[0]}), ('bee', 0, {values[1]})")
    try:
        spark.sql(
            f"MERGE INTO {TABLE} t USING (SELECT * FROM VALUES ('ant', 6), ('bee', 6) AS v(name, legs)) s "
            "ON t.name = s.name WHEN MATCHED THEN UPDATE SET legs = s.legs"
        )
    except PySparkException as error:
        return error.getCondition()
    return [row.legs for row in spark.table(TABLE).orderBy("name").collect()]


seen = {
    f"{column}, {kind}": merged(column, kind, values)
    for kind, values in (("BIGINT", (7, 7)), ("STRING", ("'x'", "'y'")))
    for column in ("row_id", "__row_id")
}
spark.stop()

conclude(
    dict.fromkeys(seen, [6, 6]),
    {
        "row_id, BIGINT": [6, 6],
        "__row_id, BIGINT": "MERGE_CARDINALITY_VIOLATION",
        "row_id, STRING": [6, 6],
        "__row_id, STRING": "MERGE_CARDINALITY_VIOLATION",
    },
    seen,
)
PYTHON
