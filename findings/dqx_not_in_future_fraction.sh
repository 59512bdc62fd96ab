#!/bin/sh
# DQX takes an instant of the current second for one in the future: 12:00:00.5 is refused at
# 12:00:00.9.
#
# Versions: Databricks Labs DQX 0.17.0, Apache Spark 4.1.4 (PySpark).
# Expected: 12:00:00.5 passes is_not_in_future with curr_timestamp 12:00:00.9, which is later. The
#   check's text: "'future' is defined as current_timestamp + offset (in seconds)".
# Happens: it gets an error, whose message has the limit 12:00:00: the current instant goes through
#   unix_timestamp and from_unixtime, which cut it to whole seconds. So a row that was written just
#   now fails when it is checked within the same second.
#
# The client of a workspace is a stand-in, as in DQX's guide to local tests; nothing is sent.
#
# Run: sh findings/dqx_not_in_future_fraction.sh
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
  'pyspark==4.1.4' 'databricks-labs-dqx==0.17.0' 'pandas==2.3.3' 'pyarrow==26.0.1'

venv/bin/python - "$place" <<'PYTHON'
import sys
from unittest.mock import MagicMock

from databricks.labs.dqx import check_funcs
from databricks.labs.dqx.engine import DQEngine
from databricks.labs.dqx.rule import DQRowRule
from databricks.sdk import WorkspaceClient
from pyspark.sql import SparkSession
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

client = MagicMock(spec=WorkspaceClient, **{"catalogs.list.return_value": []})
rows = spark.sql(
    """SELECT timestamp '2024-01-01 12:00:00.5' AS moment
    UNION ALL SELECT timestamp '2024-01-01 11:59:59.9'
    UNION ALL SELECT timestamp '2024-01-01 12:00:01.5'"""
)
rule = DQRowRule(
    name="not ahead",
    criticality="error",
    check_func=check_funcs.is_not_in_future,
    column="moment",
    check_func_kwargs={"curr_timestamp": F.expr("timestamp '2024-01-01 12:00:00.9'")},
)
checked = DQEngine(client, spark).apply_checks(rows, [rule])
found = checked.select(F.date_format("moment", "HH:mm:ss.S"), F.col("_errors").isNotNull())
seen = {moment: failed for moment, failed in found.collect()}
spark.stop()

expected = {"11:59:59.9": False, "12:00:00.5": False, "12:00:01.5": True}
conclude(expected, {**expected, "12:00:00.5": True}, seen)
PYTHON
