#!/bin/sh
# Spark loses NaN when it filters a cached frame: the same condition finds the row before the frame
# is cached, and does not find it afterwards.
#
# Versions: Apache Spark 4.1.4 (PySpark). In Spark's tracker it is SPARK-58482.
# Expected: caching changes no result. Spark's reference ("NaN Semantics") says "NaN = NaN returns
#   true" and "NaN values go last when in ascending order, larger than any other numeric value".
# Happens: of 0.25, 0.5 and NaN, `v > 1` and `v = 'NaN'` find one row, and none once the frame is
#   cached: the greatest value that Spark keeps of each cached batch ignores NaN, and the batch is
#   skipped. `isnan(v)` finds it. A validator that filters cached rows reports no broken row.
#
# Run: sh findings/spark_cached_nan.sh
# Needs Python 3.10 or newer with venv, Java 17 or 21 on the PATH, and a way to PyPI. Everything is
# put into a temporary folder (about 1 GB) that is removed at the end.
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

from pyspark.sql import SparkSession


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "1")
    .config(
        "spark.driver.extraJavaOptions",
        f"-Duser.timezone=UTC -Djava.io.tmpdir={sys.argv[1]}",
    )
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")

rows = spark.sql("SELECT CAST(v AS double) AS v FROM VALUES ('0.25'), ('0.5'), ('NaN') AS t(v)")
conditions = ("v > 1", "NOT (v <= 1)", "v = double('NaN')", "isnan(v)")
plain = {condition: rows.where(condition).count() for condition in conditions}
rows.cache().count()
cached = {condition: rows.where(condition).count() for condition in conditions}
spark.stop()

one = dict.fromkeys(conditions, 1)
lost = {condition: int(condition == "isnan(v)") for condition in conditions}
conclude(
    {"plain": one, "cached": one},
    {"plain": one, "cached": lost},
    {"plain": plain, "cached": cached},
)
PYTHON
