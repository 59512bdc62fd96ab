#!/bin/sh
# After a delete and an expiry of all older snapshots, Iceberg's current snapshot still has a manifest
# with the deleted value, as a bound of the file that was replaced.
#
# Versions: Apache Iceberg 1.12.0 on Apache Spark 4.1.4 (PySpark).
# Expected: a row is deleted, which by default replaces its file by one without it; of the snapshots
#   all but the current one expire, which "can be used to remove older snapshots and their files which
#   are no longer needed" (Iceberg's documentation, Spark procedures). No file has the value then.
# Happens: the data file is gone. The commit that replaced it wrote the old file's entry into a
#   manifest with status 2, deleted, together with its lower and upper bounds, and that manifest belongs
#   to the current snapshot. `rewrite_manifests`, and expiring once more, removes it.
#
# Run: sh findings/iceberg_expired_bounds.sh
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
  'pyspark==4.1.4' 'fastavro==1.12.1'

venv/bin/python - "$place" <<'PYTHON'
import sys
from pathlib import Path

import fastavro
from pyspark.sql import SparkSession

ROOT = Path(sys.argv[1]) / "warehouse"
WORD, TABLE = b"walrus", "lake.zoo.animals"


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


def expired():
    """Let all snapshots but the current one go, and tell which files have the word."""
    spark.sql(
        "CALL lake.system.expire_snapshots(table => 'zoo.animals', "
        "older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1)"
    )
    found = []
    for path in sorted((ROOT / "zoo" / "animals").rglob("*")):
        if path.suffix == ".parquet" and WORD in path.read_bytes():
            found.append("data file")
        if path.suffix == ".avro" and not path.name.startswith("snap-"):
            with path.open("rb") as file:
                for entry in fastavro.reader(file):
                    bounds = [each["value"] for each in entry["data_file"]["upper_bounds"] or []]
                    if WORD in bounds:
                        found.append(f"manifest, entry of status {entry['status']}")
    return spark.table(f"{TABLE}.snapshots").count(), found


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
spark.sql(f"CREATE TABLE {TABLE} (name STRING) USING iceberg")
spark.sql(f"INSERT INTO {TABLE} VALUES ('ant'), ('bee'), ('{WORD.decode()}')")
spark.sql(f"DELETE FROM {TABLE} WHERE name = '{WORD.decode()}'")
first = expired()
spark.sql("CALL lake.system.rewrite_manifests(table => 'zoo.animals')")
second = expired()
spark.stop()

conclude(
    {"expired": (1, []), "manifests rewritten, expired again": (1, [])},
    {
        "expired": (1, ["manifest, entry of status 2"]),
        "manifests rewritten, expired again": (1, []),
    },
    {"expired": first, "manifests rewritten, expired again": second},
)
PYTHON
