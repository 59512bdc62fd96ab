"""Load protected contracts and an unprotected one in turn, and print and keep what they cost."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.commits import ROOT, commit_of
from benchmarks.history.machine import machine
from benchmarks.load.accounts import Accounts
from benchmarks.load.builds import running
from benchmarks.load.case import Case
from benchmarks.load.contract import CONNECTION
from benchmarks.protect.contract import PROTECTION
from benchmarks.protect.measure import Measured, Say, measure
from benchmarks.protect.results import result_rows, table_text
from blocks.embedded_postgres import EmbeddedPostgres

RESULTS = ROOT / "benchmarks" / "results"
SPARK = {"master": "local[2]", "driver_memory": "4g"}
_CATALOG = "lakehouse_protect"
_PACKAGES = ("cryptography", "prefect", "pyspark", "pyarrow", "psycopg")
_WORKER = Path(__file__).with_name("worker.py")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects.

    Raises:
        SystemExit: An option is wrong, or open versions are not the source's rows.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        case = Case("incremental", int(float(options.rows)), options.changed, options.rounds)
    except ValueError as error:
        parser.error(str(error))
    # On SIGTERM it has to end a database and a JVM too.
    signal.signal(signal.SIGTERM, _exit)
    root = Path(tempfile.mkdtemp(prefix="strandline-protect-"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    measured: list[Measured] = []
    try:
        for each in _measured(case, root, options.timeout, say):
            measured.append(each)
            _save(_document(case, measured), options.output)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(table_text(result_rows(measured)))
    if not all(each.right for each in measured):
        message = "open versions are not what the source holds: these figures say nothing"
        raise SystemExit(message)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protect", description=__doc__)
    parser.add_argument("--rows", default="1e6", help="of the source (1e6)")
    parser.add_argument("--changed", type=int, default=10_000, help="rows per round (10000)")
    parser.add_argument("--rounds", type=int, default=10, help="measured rounds of loads (10)")
    parser.add_argument("--timeout", type=float, default=3_600.0, help="seconds per load (3600)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for protect.json")
    return parser


def _measured(case: Case, root: Path, timeout: float, say: Say) -> Iterator[Measured]:
    """A source database that also keeps the catalog, and one warm process for all loads."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(root / "postgres")
        postgres.start()
        stack.callback(postgres.stop)
        accounts = stack.enter_context(closing(Accounts(postgres.dsn)))
        process = stack.enter_context(
            running("tree", ROOT, root / "tree", timeout=timeout, worker=_WORKER)
        )
        postgres.create_database(_CATALOG)
        process.ask(
            "prepare",
            connection=CONNECTION,
            server={
                "host": postgres.host,
                "port": postgres.port,
                "user": postgres.user,
                "password": postgres.password.get_secret_value(),
            },
            source=postgres.database,
            catalog=_CATALOG,
            spark=SPARK,
        )
        yield from measure(case, accounts, process, process.root / "contracts", say)


def _document(case: Case, measured: list[Measured]) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": SPARK,
        "rows_of_source": case.rows,
        "changed_per_round": case.changed,
        "protection": PROTECTION,
        "commit": commit_of("HEAD"),
        "versions": {name: version(name) for name in _PACKAGES},
        "rows": result_rows(measured),
    }


def _save(document: dict[str, Any], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    (directory / "protect.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
