"""Measure SCD2 loads of several tools on the same rows, and print and keep the results."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.commits import ROOT, commit_of
from benchmarks.history.driver import CASES, Measured, Plan, measure
from benchmarks.history.machine import machine
from benchmarks.history.plot import draw
from benchmarks.history.results import result_rows, table_text
from benchmarks.history.subject import SUBJECTS
from benchmarks.history.subjects.spark_session import DRIVER_MEMORY, MASTER
from blocks.spark.java_installation import ensure_java

RESULTS = ROOT / "benchmarks" / "results"
BEFORE = "613367b"
"""Before replaced rows were marked by place and first loads planned along one order."""


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects."""
    options = _parser().parse_args(arguments)
    ensure_java()  # the peers' environment inherits JAVA_HOME
    own = options.directory is None
    directory = Path(tempfile.mkdtemp(prefix="strandline-bench-")) if own else options.directory
    plan = Plan(
        subjects=_chosen(options.subjects, tuple(SUBJECTS)),
        sizes=tuple(int(float(size)) for size in options.sizes.split(",")),
        cases=_chosen(options.cases, CASES),
        runs=options.runs,
        changes=options.changes,
        directory=directory.absolute(),
        against=_commit(options.against),
        timeout=options.timeout,
    )
    directory.mkdir(parents=True, exist_ok=True)
    options.output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    measured: list[Measured] = []
    try:
        for each in measure(plan, lambda text: _say(time.monotonic() - began, text)):
            measured.append(each)
            # A run takes an hour: one that breaks off must not lose its results.
            _save(_document(plan, measured), options.output)
    finally:
        if own:
            shutil.rmtree(directory, ignore_errors=True)
    print(table_text(result_rows(measured)))


def _save(document: dict[str, Any], directory: Path) -> None:
    (directory / "history.json").write_text(json.dumps(document, indent=2) + "\n")
    draw(document["rows"], directory / "history.svg")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--sizes", default="1e6,10e6", help="keys of the table (1e6,10e6)")
    parser.add_argument("--subjects", help=f"some of {','.join(SUBJECTS)}")
    parser.add_argument("--cases", help=f"some of {','.join(CASES)}")
    parser.add_argument("--runs", type=int, default=5, help="measured batches per case (5)")
    parser.add_argument("--changes", type=int, default=10_000, help="keys per batch (10000)")
    parser.add_argument("--against", default=BEFORE, help=f"the earlier commit ({BEFORE})")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds per subject, case")
    parser.add_argument("--directory", type=Path, help="for rows, tables, logs; the rows stay")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for history.json and .svg")
    return parser


def _chosen(requested: str | None, available: tuple[str, ...]) -> tuple[str, ...]:
    if requested is None:
        return available
    names = tuple(requested.split(","))
    if unknown := sorted(set(names) - set(available)):
        message = f"unknown: {', '.join(unknown)}; known: {', '.join(available)}"
        raise SystemExit(message)
    return names


def _commit(reference: str) -> str | None:
    """The commit of this name; None where the repository lacks it, as in a shallow clone."""
    try:
        return commit_of(reference)
    except SystemExit:
        if reference != BEFORE:
            raise
        return None


def _document(plan: Plan, measured: list[Measured]) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": {"master": MASTER, "driver_memory": DRIVER_MEMORY},
        "changes_per_batch": plan.changes,
        "earlier_commit": plan.against,
        "versions": {each.subject: each.versions for each in measured if each.versions},
        "rows": result_rows(measured),
    }


def _say(seconds: float, text: str) -> None:
    print(f"{int(seconds) // 60:>3}:{int(seconds) % 60:02} {text}", flush=True)


if __name__ == "__main__":
    main()
