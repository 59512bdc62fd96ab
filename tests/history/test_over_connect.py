"""Over Spark Connect there is no JVM to call: rows are deleted by MERGE, metadata read by SQL."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.history.load_over_connect import loaded


def test_a_history_is_the_same_over_spark_connect(spark, postgres, tmp_path, lake_namespace):
    postgres.create_database("over_connect")
    uri = f"jdbc:postgresql://127.0.0.1:{postgres.port}/over_connect"
    # A process that speaks Spark Connect can't speak otherwise too.
    command = [sys.executable, "-m", "tests.history.load_over_connect", str(tmp_path), uri]
    told = subprocess.run(
        [*command, postgres.user, postgres.password.get_secret_value()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]

    assert json.loads(told.stdout.splitlines()[-1]) == loaded(spark, f"{lake_namespace}.t")
