"""Loads one batch and kills its own process after its Nth write: `WAREHOUSE TABLE BATCH N`.

Every change of a table, branch or tag counts as a write. A load that has fewer of them ends by
itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from history.iceberg import branches, deletion_vectors, history_table
from history.writing import quarantine_table, write_merge_plan
from tests.conftest import spark_settings
from tests.history.crashing import load

WRITES = (
    (history_table, "_create"),
    (history_table, "_sort"),
    (quarantine_table, "append_to_quarantine"),
    (branches, "alter"),
    (branches, "append_rows"),
    (branches, "fast_forward"),
    (write_merge_plan, "_delete"),
    (deletion_vectors, "mark_deleted"),
)


def main(warehouse: str, name: str, batch: str, last: str) -> None:
    done: list[str] = []

    def counted(write: Callable[..., Any], label: str) -> Callable[..., Any]:
        def write_and_maybe_die(*arguments: Any, **options: Any) -> Any:
            result = write(*arguments, **options)
            done.append(label)
            if len(done) == int(last):
                sys.stdout.write(label)
                sys.stdout.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return write_and_maybe_die

    for module, attribute in WRITES:
        label = f"{module.__name__.removeprefix('history.')}.{attribute.removeprefix('_')}"
        setattr(module, attribute, counted(getattr(module, attribute), label))
    builder = SparkSession.builder.master("local[2]").appName("killed")
    for option, value in spark_settings(Path(warehouse)).items():
        builder = builder.config(option, value)
    load(builder.getOrCreate(), name, int(batch))


if __name__ == "__main__":
    main(*sys.argv[1:])
