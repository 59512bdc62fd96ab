#!/bin/sh
# An answer of Spark's JVM to Python takes 40 ms more as soon as it has over 8,192 octets, such as the
# schema of a frame with 150 columns.
#
# Versions: PySpark 4.1.4, which brings py4j 0.10.9.9; Linux; a classic session.
# Expected: a call takes as long as its work. A schema of 150 columns is half as long again as one of
#   100, and takes about as much longer.
# Happens: up to 8,192 octets an answer takes less than a millisecond, from there on 40 to 50. Py4J's
#   Java side writes through a buffer of that size to a socket without TCP_NODELAY: the rest of the
#   answer waits until the other side has acknowledged its beginning, and Linux delays that for 40 ms,
#   as it has nothing to answer. It is the same for schemas, plans, and every text. Py4J knows of it
#   (py4j/py4j#516) and has mended it since (#592); PySpark 4.1.4 brings the version before.
#
# Run: sh findings/pyspark_answers_over_8_kib.sh
# Needs Linux, Python 3.10 or newer with venv, Java 17 or 21 on the PATH, and a way to PyPI. Everything
# is put into a temporary folder (about 1 GB) that is removed at the end.
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
import time
from statistics import median

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.driver.extraJavaOptions", f"-Djava.io.tmpdir={sys.argv[1]}")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


def milliseconds(call):
    """Of 15 calls, the one in the middle."""
    seconds = []
    for _ in range(15):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return 1000 * median(seconds)


def schema_of(columns):
    """How long the schema of so many columns is, and how long it takes to get it."""
    names = [f"id AS column_number_{number}" for number in range(columns)]
    schema = spark.range(1).selectExpr(*names)._jdf.schema()
    return len(schema.json()), milliseconds(schema.json)


def text_of(octets):
    """How long a text that is there takes to arrive."""
    text = spark._jvm.java.lang.StringBuilder("a" * octets)
    return octets, milliseconds(text.toString)


found = {"text": (text_of(8_100), text_of(8_300)), "schema": (schema_of(100), schema_of(150))}
spark.stop()
print("\nexpected: the longer answer of two takes as much longer as it is longer")
print("stated:   under 8,192 octets a few ms at most, over it about 40 ms more")
for kind, pair in found.items():
    told = ", ".join(f"{octets:,} octets in {ms:.1f} ms" for octets, ms in pair)
    print(f"seen:     {kind}: {told}")
if not all(long > short + 30 for (_, short), (_, long) in found.values()):
    print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
    raise SystemExit(3)
print("As stated.")
PYTHON
