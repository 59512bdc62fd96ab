#!/bin/sh
# SparkSession.interruptTag does nothing when another thread calls it than the one that has added the
# tag, which is what a tag is for.
#
# Versions: Apache Spark 4.1.4 (PySpark, a classic session).
# Expected: "Interrupt all operations of this SparkSession with the given operation tag" (reference of
#   SparkSession.interruptTag); a thread that waits for its own query can't call it.
# Happens: it returns an empty list, and the query runs to its end. SparkContext.addJobTag and
#   cancelJobsWithTag, called by the same threads, end it.
#
# Run: sh findings/spark_interrupt_tag.sh
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
import threading
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SECONDS = 12


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config(
        "spark.driver.extraJavaOptions",
        f"-Duser.timezone=UTC -Djava.io.tmpdir={sys.argv[1]}",
    )
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


@F.udf("long")
def slow(number):
    time.sleep(SECONDS)
    return number


def interrupted(tag, add, interrupt):
    """Whether a job with the tag ends when another thread interrupts it, and what that returns."""
    ended = []

    def run():
        add(tag)
        try:
            spark.range(0, 1, 1, 1).select(slow("id")).collect()
            ended.append("ran to its end")
        except Exception:
            ended.append("interrupted")

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(SECONDS / 2)
    returned = interrupt(tag)
    thread.join()
    return ended[0], returned


of_session = interrupted("session-tag", spark.addTag, spark.interruptTag)
context = spark.sparkContext
of_context = interrupted("context-tag", context.addJobTag, context.cancelJobsWithTag)
spark.stop()

conclude(
    {"session": "interrupted", "context": "interrupted"},
    {"session": "ran to its end, interruptTag returned []", "context": "interrupted"},
    {
        "session": f"{of_session[0]}, interruptTag returned {of_session[1]}",
        "context": of_context[0],
    },
)
PYTHON
