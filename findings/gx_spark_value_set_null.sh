#!/bin/sh
# With Great Expectations on Spark, a None in the set of ExpectColumnValuesToBeInSet makes every
# value an expected one: nothing fails any more.
#
# Versions: Great Expectations 1.24.1, Apache Spark 4.1.4 (PySpark), pandas 2.3.3.
# Expected: of red, green, blue and null, the set (red, None) leaves green and blue unexpected. The
#   expectation says "Expect each column value to be in a given set", and a missing value is
#   ignored by every such expectation. So it is with pandas.
# Happens: on Spark no row is unexpected and the expectation is met. The condition is
#   NOT (color IN ('red', NULL)), which SQL holds to be unknown for green and blue, and unknown
#   counts as met. Without the None both are found.
#
# Run: sh findings/gx_spark_value_set_null.sh
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

export TMPDIR="$place" SPARK_LOCAL_IP=127.0.0.1 PIP_ROOT_USER_ACTION=ignore \
  GX_ANALYTICS_ENABLED=False
unset SPARK_HOME SPARK_CONF_DIR SPARK_REMOTE PYTHONPATH
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  'pyspark==4.1.4' 'great-expectations==1.24.1' 'pandas==2.3.3'

venv/bin/python - "$place" <<'PYTHON'
import sys

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas
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

context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}


def counts(source, frame, expectation):
    """Rows, ignored rows and unexpected rows, and whether the expectation is met."""
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    outcome = batch.get_batch(batch_parameters={"dataframe": frame}).validate(expectation)
    names = ("element_count", "missing_count", "unexpected_count")
    return (*(outcome.result[name] for name in names), bool(outcome.success))


colors = ["red", "green", "blue", None]
frames = {
    "spark": spark.createDataFrame([(color,) for color in colors], "color string"),
    "pandas": pandas.DataFrame({"color": colors}),
}
sources = {"spark": context.data_sources.add_spark, "pandas": context.data_sources.add_pandas}
seen = {
    (engine, values): counts(
        sources[engine](f"{engine}-{len(values)}"),
        frames[engine],
        gxe.ExpectColumnValuesToBeInSet(column="color", value_set=list(values)),
    )
    for engine in ("spark", "pandas")
    for values in (("red",), ("red", None))
}
spark.stop()

found, missed = (4, 1, 2, False), (4, 1, 0, True)
stated = dict.fromkeys(seen, found)
conclude(dict.fromkeys(seen, found), {**stated, ("spark", ("red", None)): missed}, seen)
PYTHON
