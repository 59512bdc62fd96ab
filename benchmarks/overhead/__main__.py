"""Measure what orchestration adds to a load, and print and keep the results."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects."""
    options = _parser().parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="strandline-overhead-"))
    isolate_prefect(root)
    # Prefect reads the environment when it is first imported.
    from benchmarks.history.machine import machine  # noqa: PLC0415
    from benchmarks.overhead.measure import measure  # noqa: PLC0415
    from benchmarks.overhead.place import CONTRACT, DRIVER_MEMORY, MASTER, place  # noqa: PLC0415
    from benchmarks.overhead.results import result_rows, table_text  # noqa: PLC0415

    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    try:
        with place(root, ROOT / "prefect.yaml") as stack:
            say("source, lakehouse and server are there")
            rows = result_rows(measure(stack, options.runs, say))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": {"master": MASTER, "driver_memory": DRIVER_MEMORY},
        "contract": CONTRACT,
        "versions": {name: version(name) for name in ("prefect", "pyspark", "sqlalchemy")},
        "rows": rows,
    }
    print(table_text(rows))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "overhead.json").write_text(json.dumps(document, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="measured rounds (5)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for overhead.json")
    return parser


def isolate_prefect(root: Path) -> None:
    """Make Prefect read and write none of the user's settings and files."""
    from strandline.command_line import quiet_libraries  # noqa: PLC0415

    for name in [each for each in os.environ if each.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ["PREFECT_HOME"] = str(root / "prefect")
    quiet_libraries(verbose=False)


if __name__ == "__main__":
    main()
