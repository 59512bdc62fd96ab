"""Measure what checking rows costs, and print and keep the results."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.history.machine import machine
from benchmarks.history.subjects.spark_session import MASTER
from benchmarks.quality.measure import Plan, measure
from benchmarks.quality.orders import TABLE, broken_rows, fill
from benchmarks.quality.processes import PEERS, ROOT
from benchmarks.quality.results import Row, result_rows, summary, table_text
from benchmarks.quality.rules import RULES
from benchmarks.quality.subject import SUBJECTS
from benchmarks.quality.worker import MEMORY
from blocks.embedded_postgres import EmbeddedPostgres

RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects.

    Raises:
        SystemExit: An option is wrong, or Strandline found other rows than were planted.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    names = tuple(options.subjects.split(","))
    if unknown := sorted({*names} - {*SUBJECTS}):
        parser.error(f"unknown subjects {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    if any(SUBJECTS[name].peer for name in names) and not PEERS.exists():
        parser.error("the peers' environment is not there; `make bench-quality` builds it")
    rows = int(float(options.rows))
    # On SIGTERM it has to end a database and the JVMs too.
    signal.signal(signal.SIGTERM, _exit)
    root = Path(tempfile.mkdtemp(prefix="strandline-quality-"))
    # PostgreSQL may run as another account, which has to pass through.
    root.chmod(0o711)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    postgres = EmbeddedPostgres(root / "postgres")
    postgres.start()
    try:
        fill(postgres.dsn, rows)
        expected = broken_rows(postgres.dsn, RULES)
        say(f"{rows:,} rows are there")
        source = {
            "url": f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.database}",
            "user": postgres.user,
            "password": postgres.password.get_secret_value(),
            "table": TABLE,
            "rows": rows,
        }
        plan = Plan(names, options.rounds, options.warm_ups, options.timeout)
        found = result_rows(measure(plan, root, source, say), expected)
    finally:
        postgres.stop()
        shutil.rmtree(root, ignore_errors=True)
    print(table_text(found))
    _save(_document(rows, plan, expected, found), options.output)
    if any(row["subject"] == "strandline" and row["differs"] for row in found):
        message = "Strandline found other rows than were planted: these figures say nothing"
        raise SystemExit(message)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--rows", default="1e6", help="of the source (1e6)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (5)")
    parser.add_argument("--warm-ups", type=int, default=4, help="rounds before them (4)")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help=", ".join(SUBJECTS))
    parser.add_argument("--timeout", type=float, default=1_800.0, help="seconds per run (1800)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for quality.json")
    return parser


def _document(rows: int, plan: Plan, expected: dict[str, int], found: list[Row]) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": {"master": MASTER, "driver_memory": MEMORY},
        "source_rows": rows,
        "rules": {rule.name: rule.kind for rule in RULES},
        "planted": expected,
        "warm_up_rounds": plan.warm_ups,
        "rounds": plan.rounds,
        "targets": summary(found),
        "rows": found,
    }


def _save(document: dict[str, Any], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    (directory / "quality.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
