#!/bin/sh
# A warm Python worker of Spark reads the directories of pyspark.zip and of Spark's core jar again at
# the begin of each task, once for each package that was looked for in them.
#
# Versions: Apache Spark 4.1.4 (PySpark from PyPI), CPython 3.10 to 3.12.
# Expected: a worker that is used again (spark.python.worker.reuse, on by default) begins a task without
#   work that depends on how PySpark was packed: it has imported everything already.
# Happens: `setup_spark_files` calls importlib.invalidate_caches(), whose zip importers read the
#   directory of their archive at once. Each package of PySpark has an importer of its own, so a task
#   over one row reads pyspark.zip more than ten times, tens of thousands of entries in all. That is
#   nearly all CPU time that the worker spends on it.
#
# Run: sh findings/spark_worker_archives.sh
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
  'pyspark==4.1.4' 'pyarrow==26.0.1' 'pandas==2.3.3'

venv/bin/python - "$place" <<'PYTHON'
import sys

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
    .config(
        "spark.driver.extraJavaOptions",
        f"-Duser.timezone=UTC -Djava.io.tmpdir={sys.argv[1]}",
    )
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")


@F.udf("string")
def reads(number):
    """What this worker's zip importers have read since its first task, and its CPU time."""
    import os
    import time
    import zipimport

    if not hasattr(zipimport, "seen"):
        zipimport.seen = []
        original = zipimport._read_directory

        def counted(archive):
            began = time.process_time()
            found = original(archive)
            zipimport.seen.append(
                (os.path.basename(archive), len(found), time.process_time() - began)
            )
            return found

        zipimport._read_directory = counted
    told = repr((os.getpid(), zipimport.seen, time.process_time()))
    zipimport.seen.clear()
    return told


def task():
    (row,) = spark.range(0, 1, 1, 1).select(reads("id")).collect()
    return eval(row[0])


first, second, third = task(), task(), task()
spark.stop()

same = first[0] == second[0] == third[0]
zips = [entries for name, entries, _ in third[1] if name == "pyspark.zip"]
cpu, reading = third[2] - second[2], sum(seconds for _, _, seconds in third[1])
print(f"one worker for all tasks: {same}")
print(f"the third task read pyspark.zip {len(zips)} times, {sum(zips):,} entries")
print(f"{reading:.3f} of its {cpu:.3f} CPU seconds went to that and to the core jar")

conclude(
    {"worker": "used again", "pyspark.zip": "not read again", "share of CPU": "little"},
    {"worker": "used again", "pyspark.zip": "read over ten times", "share of CPU": "over half"},
    {
        "worker": "used again" if same else "another one",
        "pyspark.zip": "read over ten times" if len(zips) > 10 else f"read {len(zips)} times",
        "share of CPU": "over half" if reading > cpu / 2 else "little",
    },
)
PYTHON
