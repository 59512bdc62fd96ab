from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
SCRIPT = Path(__file__).with_name("counting_after_a_crash.py")


def test_rows_are_counted_once_though_each_task_dies_in_the_middle_of_its_first_attempt(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    ended = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], env=environment, capture_output=True, text=True,
        check=False, cwd=ROOT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2_000:]

    told = json.loads(ended.stdout.splitlines()[-1])

    assert told["failed_tasks"] == 4
    # Odd digits are half of the rows; of the even ones 8 is too large.
    assert (told["rows"], told["refused"]) == (40_000, 24_000)
