#!/bin/sh
# pandera.pyspark anchors only the first alternative of a pattern: str_matches("cat|dog") accepts
# "hotdog".
#
# Versions: pandera 0.35.0, Apache Spark 4.1.4 (PySpark), pandas 2.3.3.
# Expected: "hotdog" fails. The check says "Ensure that all values start with a match of a regular
#   expression pattern", and with pandas it does so.
# Happens: a ^ is put before the pattern as text, without parentheses. "^cat|dog" is found in
#   "hotdog", since | binds weakest; no error is reported. "cat" fails in "hotcat", as it should.
#
# Run: sh findings/pandera_pyspark_str_matches.sh
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
  'pyspark==4.1.4' 'pandera[pyspark]==0.35.0' 'pandas==2.3.3' 'pyarrow==26.0.1'

venv/bin/python - "$place" <<'PYTHON'
import sys

import pandas
import pandera.pandas
import pandera.pyspark
import pyspark.sql.types as T
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


def is_valid(kind, pattern, value):
    """Whether pandera accepts a column of that one value."""
    if kind == "spark":
        schema = pandera.pyspark.DataFrameSchema(
            {
                "c": pandera.pyspark.Column(
                    T.StringType(), pandera.pyspark.Check.str_matches(pattern)
                )
            }
        )
        return not schema.validate(spark.createDataFrame([(value,)], "c string")).pandera.errors
    schema = pandera.pandas.DataFrameSchema(
        {"c": pandera.pandas.Column(str, pandera.pandas.Check.str_matches(pattern))}
    )
    try:
        schema.validate(pandas.DataFrame({"c": [value]}))
    except pandera.pandas.errors.SchemaError:
        return False
    return True


cases = (("cat", "hotcat"), ("cat|dog", "dogs"), ("cat|dog", "hotdog"))
seen = {(kind, *case): is_valid(kind, *case) for kind in ("spark", "pandas") for case in cases}
spark.stop()

expected = {(kind, *case): case[1] == "dogs" for kind in ("spark", "pandas") for case in cases}
conclude(expected, {**expected, ("spark", "cat|dog", "hotdog"): True}, seen)
PYTHON
