#!/bin/sh
# pandera.pyspark reports valid rows as invalid when it is asked to validate a sample of them.
#
# Versions: pandera 0.35.0, Apache Spark 4.1.4 (PySpark).
# Expected: no error for valid rows. `validate` documents the argument: "sample: validate a random
#   sample of n% rows. Value ranges from 0-1, for example 10% rows can be sampled using setting
#   value as 0.1."
# Happens: every check with an argument fails with CHECK_ERROR, an AttributeError inside of pandera:
#   the sampled frame is another one than that which the schema was attached to.
#
# Run: sh findings/pandera_pyspark_sample.sh
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

rows = spark.range(1, 1001)
schema = pandera.pyspark.DataFrameSchema(
    {"id": pandera.pyspark.Column(T.LongType(), pandera.pyspark.Check.gt(0))}
)


def reasons(**options):
    """The reasons for which pandera refuses the rows."""
    errors = schema.validate(rows, **options).pandera.errors
    return [reason for kind in errors.values() for reason in kind]


seen = {"all rows": reasons(), "a sample": reasons(sample=0.5, random_state=1)}
spark.stop()
conclude({"all rows": [], "a sample": []}, {"all rows": [], "a sample": ["CHECK_ERROR"]}, seen)
PYTHON
