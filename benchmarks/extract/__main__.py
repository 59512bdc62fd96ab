"""Read one table of a real PostgreSQL in several ways, and print and keep how long each took."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from benchmarks.commits import ROOT, commit_of
from benchmarks.extract.measure import CONTRACT, Measured, Peak, Reader
from benchmarks.extract.results import aims, memory_text, result_rows, table_text
from benchmarks.extract.subjects import SUBJECTS
from benchmarks.history.machine import machine
from benchmarks.load.accounts import Accounts
from benchmarks.load.builds import running
from benchmarks.load.case import Case
from benchmarks.load.contract import CONNECTION
from benchmarks.protect.contract import document
from blocks.embedded_postgres import EmbeddedPostgres

RESULTS = ROOT / "benchmarks" / "results"
PEERS = ROOT / ".venv-bench-extract" / "bin" / "python"
SPARK = {"master": "local[2]", "driver_memory": "4g"}
SMALL = 100_000
"""The specification's own size, which is to take a minute at most."""
_CATALOG = "lakehouse_extract"
_PACKAGES = ("prefect", "psycopg", "pyspark")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects."""
    options = _parser().parse_args(arguments)
    # On SIGTERM it has to end a database and a JVM too.
    signal.signal(signal.SIGTERM, _exit)
    root = Path(tempfile.mkdtemp(prefix="strandline-extract-"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    rows, names = int(float(options.rows)), tuple(options.subjects.split(","))
    measured: list[Measured] = []
    peaks: list[Peak] = []
    try:
        with _started(root, options.timeout) as (accounts, reader, versions):
            for size in dict.fromkeys((min(SMALL, rows), rows)):
                accounts.fill(size)
                measured.append(reader.measure(size, options.rounds, names, say))
            peaks.append(reader.peak(rows))
            if options.tenfold:
                accounts.fill(rows * 10)
                peaks.append(reader.peak(rows * 10))
        met = aims(measured[-1])
        document = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "spark": SPARK,
            "commit": commit_of("HEAD"),
            "versions": {**{name: version(name) for name in _PACKAGES}, **versions},
            "rows": result_rows(measured),
            "aims": met,
            "memory": [asdict(peak) for peak in peaks],
        }
        options.output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2) + "\n"
        (options.output / "extract.json").write_text(text, encoding="utf-8")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(table_text(result_rows(measured), met))
    print(memory_text(peaks))


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract", description=__doc__)
    parser.add_argument("--rows", default="2e6", help="of the source (2e6)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (5)")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="by commas (all)")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per read (900)")
    parser.add_argument(
        "--no-tenfold",
        dest="tenfold",
        action="store_false",
        help="leave out the memory of a read of ten times as many rows",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="for extract.json")
    return parser


@contextmanager
def _started(root: Path, timeout: float) -> Iterator[tuple[Accounts, Reader, dict[str, str]]]:
    """The source, which also has the catalog, and the processes that read it, warm."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(root / "postgres")
        postgres.start()
        stack.callback(postgres.stop)
        accounts = stack.enter_context(closing(Accounts(postgres.dsn)))
        postgres.create_database(_CATALOG)
        here = Path(__file__).parent
        spark = stack.enter_context(
            running("tree", ROOT, root / "tree", timeout=timeout, worker=here / "worker.py")
        )
        peers = stack.enter_context(
            running(
                "peers",
                ROOT,
                root / "peers",
                timeout=timeout,
                worker=here / "peer_worker.py",
                python=PEERS,
            )
        )
        server = {
            "host": postgres.host,
            "port": postgres.port,
            "user": postgres.user,
            "password": postgres.password.get_secret_value(),
        }
        spark.ask(
            "prepare",
            connection=CONNECTION,
            server=server,
            source=postgres.database,
            catalog=_CATALOG,
            spark=SPARK,
            slices=4,
        )
        contracts = spark.root / "contracts"
        contracts.mkdir(parents=True, exist_ok=True)
        (contracts / f"{CONTRACT}.yaml").write_text(
            yaml.safe_dump(_contract(), sort_keys=False), encoding="utf-8"
        )
        versions: dict[str, Any] = peers.ask("versions")
        source = {**server, "database": postgres.database}
        yield accounts, Reader(source, spark, peers, root / "read"), versions


def _contract() -> dict[str, Any]:
    made = document(Case("incremental", SMALL, 100, 1), "plain", 0)
    return {**made, "id": CONTRACT, "name": CONTRACT}


if __name__ == "__main__":
    main()
