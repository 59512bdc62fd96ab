"""Count what a load asks of Glue and S3, and print and keep the results."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects.

    Raises:
        SystemExit: The open versions are not the source's rows.
    """
    options = _parser().parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="strandline-aws-"))
    # Prefect reads the environment when it is first imported.
    from benchmarks.overhead.__main__ import isolate_prefect  # noqa: PLC0415

    isolate_prefect(root)
    from benchmarks.aws.measure import measure  # noqa: PLC0415
    from benchmarks.aws.place import SPARK, place  # noqa: PLC0415
    from benchmarks.aws.results import result_rows, summary, table_text  # noqa: PLC0415
    from benchmarks.history.machine import machine  # noqa: PLC0415
    from benchmarks.load.case import Case  # noqa: PLC0415
    from benchmarks.load.contract import target  # noqa: PLC0415

    case = Case("incremental", options.rows, options.changed, options.rounds)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    try:
        with place(root, case) as there:
            measured = measure(there, case, say)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    rows = result_rows(measured, target(case))
    ratios = summary(measured, rows)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": SPARK,
        "rows_of_source": case.rows,
        "changed_per_round": case.changed,
        "rounds": case.rounds,
        "versions": {
            **{name: version(name) for name in ("prefect", "pyspark", "moto", "boto3")},
            "iceberg": "1.12.0",
        },
        **ratios,
        "rows": rows,
    }
    print(table_text(rows, ratios))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "aws.json").write_text(json.dumps(document, indent=2) + "\n")
    if not measured.right:
        message = "open versions are not what the source holds: these figures say nothing"
        raise SystemExit(message)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aws", description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000, help="of the source (4000)")
    parser.add_argument("--changed", type=int, default=100, help="rows per round (100)")
    parser.add_argument("--rounds", type=int, default=2, help="measured rounds (2)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for aws.json")
    return parser


if __name__ == "__main__":
    main()
