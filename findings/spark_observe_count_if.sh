#!/bin/sh
# count_if in DataFrame.observe adds a column to every row that passes: Spark computes its condition in
# a projection of its own before the metrics, and needs another behind them to be rid of it. The same
# count written as count(when(condition, 1)) does not.
#
# Versions: Apache Spark 4.1.4 (PySpark).
# Expected: metrics that are computed as the rows pass by, whichever aggregate names them:
#   "count_if(col): Returns the number of TRUE values for the col" is count(when(col, 1)) in words.
# Happens: RuntimeReplaceable count_if becomes a With expression, which is taken out of the aggregate
#   as `_common_expr_N`, once per count_if, also where the condition is mentioned nowhere else. Each
#   such column makes the rows wider and has them copied before and after the metrics.
#
# Run: sh findings/spark_observe_count_if.sh
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
from pathlib import Path

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F


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

rows = spark.range(10).selectExpr("id", "id % 3 AS v")


def projections(metric):
    """The projections of the plan above the metrics, and whether one below makes another column."""
    observed = rows.observe(Observation("metrics"), metric.alias("n"))
    above, _, below = observed._jdf.queryExecution().executedPlan().toString().partition("CollectMetrics")
    return above.count("Project"), "AS _common_expr" in below


condition = (F.col("v") > 0) & (F.col("id") > 1)
seen = {"count_if": projections(F.count_if(condition)), "count_when": projections(F.count(F.when(condition, 1)))}
spark.stop()

conclude(
    {"count_if": (0, False), "count_when": (0, False)},
    {"count_if": (1, True), "count_when": (0, False)},
    seen,
)
PYTHON
