#!/bin/sh
# Spark changes the digits of JSON that it reads as text: 1.10 arrives as 1.1, and 38 digits arrive as
# the 17 of a double, alone and in a list, from from_json and get_json_object.
#
# Versions: Apache Spark 4.1.4 (PySpark).
# Expected: the digits, as they are written. Since 4.0 "JSON objects should not be modified when read as
#   STRING" (SPARK-48148), and text is what one reads a number as in order to keep it. Read as
#   decimal(38,10) the number is exact.
# Happens: what SPARK-48148 keeps in a file that is read with a schema is changed by from_json: lists and
#   numbers alike have the digits of a double, without a word, and by get_json_object too.
#
# Run: sh findings/spark_json_number_as_text.sh
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

NUMBER = "1234567890123456789012345678.0123456789"
TEXT = '{"long": %s, "money": 1.10, "list": [%s, 1.10]}' % (NUMBER, NUMBER)
KIND = "struct<long: string, money: string, list: string>"
rows = spark.sql(
    f"""SELECT s.long, s.money, s.list, m['money'] AS in_a_map, d.long AS as_decimal,
      get_json_object(t, '$.long') AS by_path
    FROM (SELECT t, from_json(t, '{KIND}') AS s, from_json(t, 'map<string,string>') AS m,
      from_json(t, 'struct<long: decimal(38,10)>') AS d FROM VALUES ('{TEXT}') AS v(t))"""
)
file = Path(sys.argv[1]) / "numbers.json"
file.write_text(TEXT + "\n")
from_file = spark.read.schema("long string, list string").json(str(file)).collect()[0].asDict()
row = rows.selectExpr(*[f"CAST({name} AS string)" for name in rows.columns]).collect()[0].asDict()
spark.stop()

DOUBLE, LIST = "1.2345678901234569E27", f"[{NUMBER}, 1.10]"
kept = {"long": NUMBER, "money": "1.10", "list": LIST, "in_a_map": "1.10", "by_path": NUMBER}
changed = {"long": DOUBLE, "money": "1.1", "list": f"[{DOUBLE},1.1]", "in_a_map": "1.1", "by_path": DOUBLE}
in_file = {"long": NUMBER, "list": LIST}
conclude(
    kept | {"as_decimal": NUMBER, "from_file": in_file},
    changed | {"as_decimal": NUMBER, "from_file": in_file},
    row | {"from_file": from_file},
)
PYTHON
