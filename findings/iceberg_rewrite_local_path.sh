#!/bin/sh
# Iceberg's rewrite_table_path refuses each table whose warehouse is given as file:///..., whichever
# prefix it is told: the table's location begins with file:///, its metadata files' with file:/.
#
# Versions: Apache Iceberg 1.12.0 on Apache Spark 4.1.4 (PySpark), catalogs `jdbc` and `hadoop`.
# Expected: "This procedure writes a new copy of the Iceberg table's metadata files where every path has
#   had its prefix replaced" (Iceberg's documentation, Spark procedures). One of `file:///W`, `file:/W`
#   and `/W` is the prefix of a table of the warehouse `file:///W`, and the copy is written.
# Happens: each of them is refused: "Path ... does not start with ...". Hadoop writes a path of the
#   local file system with one slash, Iceberg keeps the table's location as it was given, and prefixes
#   are compared as text. A warehouse that is given as `file:/W` has one spelling, and is rewritten.
#
# Run: sh findings/iceberg_rewrite_local_path.sh
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
venv/bin/pip install --quiet --disable-pip-version-check 'pyspark==4.1.4'

venv/bin/python - "$place" <<'PYTHON'
import sys
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

ROOT = Path(sys.argv[1])
CATALOGS = {"three": "file://{}/three", "one": "file:{}/one"}


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


builder = SparkSession.builder.master("local[1]").config(
    "spark.jars.packages",
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0,org.xerial:sqlite-jdbc:3.50.3.0",
)
for name, warehouse in CATALOGS.items():
    prefix = f"spark.sql.catalog.{name}"
    builder = (
        builder.config(prefix, "org.apache.iceberg.spark.SparkCatalog")
        .config(f"{prefix}.type", "jdbc")
        .config(f"{prefix}.uri", f"jdbc:sqlite:{ROOT}/{name}.db")
        .config(f"{prefix}.warehouse", warehouse.format(ROOT))
    )
spark = (
    builder.config(
        "spark.sql.extensions",
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    )
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config(
        "spark.driver.extraJavaOptions",
        f"-Duser.timezone=UTC -Djava.io.tmpdir={ROOT}",
    )
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


def rewritten(catalog, scheme):
    """Whether the table's paths are rewritten with that spelling of both prefixes."""
    try:
        spark.sql(
            f"CALL {catalog}.system.rewrite_table_path(table => 'zoo.animals', "
            f"source_prefix => '{scheme}{ROOT}/{catalog}', "
            f"target_prefix => '{scheme}{ROOT}/moved', "
            f"staging_location => '{scheme}{ROOT}/staging-{catalog}')"
        ).collect()
    except PySparkException as error:
        return "refused" if "does not start with" in str(error) else "another error"
    return "rewritten"


seen = {}
for name in CATALOGS:
    spark.sql(f"CREATE NAMESPACE {name}.zoo")
    spark.sql(f"CREATE TABLE {name}.zoo.animals (name STRING) USING iceberg")
    spark.sql(f"INSERT INTO {name}.zoo.animals VALUES ('ant'), ('bee')")
    spellings = {"file:///": "file://", "file:/": "file:", "/": ""}
    seen[name] = {shown: rewritten(name, scheme) for shown, scheme in spellings.items()}
spark.stop()

conclude(
    "one spelling of each that is rewritten",
    {
        "three": {"file:///": "refused", "file:/": "refused", "/": "refused"},
        "one": {"file:///": "refused", "file:/": "rewritten", "/": "refused"},
    },
    seen,
)
PYTHON
