"""The steps of the demo: half a year, the other half, and the history of one aircraft."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.rule import Rule
from rich.text import Text

from blocks.embedded_postgres import EmbeddedPostgres, running_postgres
from blocks.lookup import block_lookup
from demo.demo_paths import DemoPaths, make_demo_paths, postgres_directory
from demo.demo_source_database import (
    change_new_source_table,
    create,
    fill_new_source_table,
    fill_until,
)
from demo.flights_dataset import ALL_REPORTED, MID_YEAR
from strandline.commands import history_status_commands
from strandline.commands.run_command import load
from strandline.commands.temporary_prefect_server import start_temporary_server
from strandline.terminal.console_output import CommandOutput
from tasks.lifecycle.open_run import start_spark

CARRIER = "UA"
"""United: a sixth of the flights, and every flight of its fleet. The tests load all carriers."""
CONTRACTS = ("aircraft", "new_source_table", "existing_table_1")
AIRCRAFT = "N14228"
_VERSIONS_SHOWN = 12


def run_demo(root: Path) -> int:
    """Run the demo; the exit code is that of the first load that failed."""
    began = time.monotonic()
    screen = CommandOutput.of()
    with _step(screen, "PostgreSQL 18, empty, and the blocks that say where things live"):
        paths = make_demo_paths(root)
    with ThreadPoolExecutor(max_workers=2) as threads:
        threads.submit(start_temporary_server)
        spark = threads.submit(start_spark, CONTRACTS, "default")
        _first_half(screen, paths.postgres)
        with _step(screen, "Spark and Prefect, started meanwhile"):
            spark.result()
    code = _load_all(screen, "January to June")
    if code:
        return code
    _second_half(screen, paths.postgres)
    code = _load_all(screen, "July to December")
    if code:
        return code
    screen.out.print(Rule(f"Where {AIRCRAFT} went, its last {_VERSIONS_SHOWN} versions"))
    history_status_commands.history(
        screen, "aircraft", AIRCRAFT, as_of=None, limit=_VERSIONS_SHOWN, settings="default"
    )
    _next_steps(screen, paths, time.monotonic() - began)
    return 0


def make_source(root: Path) -> int:
    """The source database as of 1 July, and the blocks that name it; nothing is loaded."""
    screen = CommandOutput.of()
    with _step(screen, "PostgreSQL 18, empty, and the blocks that say where things live"):
        paths = make_demo_paths(root)
    _first_half(screen, paths.postgres)
    screen.out.print(Text(f"blocks: {paths.block_file}"), soft_wrap=True)
    if not paths.found_by_default:
        yours = root / "blocks.yaml"
        line = f"export {block_lookup.VARIABLE}={paths.block_file}   # {yours} is yours"
        screen.out.print(Text(line), soft_wrap=True)
    return 0


def advance_source(root: Path) -> int:
    """The same database at the end of the year."""
    screen = CommandOutput.of()
    _second_half(screen, running_postgres(postgres_directory(root)))
    return 0


def _first_half(screen: CommandOutput, postgres: EmbeddedPostgres) -> None:
    dsn = postgres.dsn
    with _step(screen, "United's flights of 2013 as the database knew them on 1 July"):
        create(dsn)
        fill_until(dsn, MID_YEAR, CARRIER)
    with _step(screen, "new_source_table: 20,000 generated rows with names and amounts"):
        fill_new_source_table(dsn)


def _second_half(screen: CommandOutput, postgres: EmbeddedPostgres) -> None:
    dsn = postgres.dsn
    with _step(screen, "The rest of the year happens: late, corrected and new rows"):
        fill_until(dsn, ALL_REPORTED, CARRIER)
        change_new_source_table(dsn)


def _load_all(screen: CommandOutput, what: str) -> int:
    screen.out.print(Rule(f"{what}: three tables into their history"))
    return load(screen, CONTRACTS, settings="default", verbose=False)


def _next_steps(screen: CommandOutput, paths: DemoPaths, seconds: float) -> None:
    prefix = "" if paths.found_by_default else f"{block_lookup.VARIABLE}={paths.block_file} "
    command = f"{prefix}.venv/bin/strandline"
    screen.out.print(Rule(f"Done in {seconds:.0f} s. Type next"))
    for line in (
        f"{command} history aircraft {AIRCRAFT} --as-of 2013-07-04T12:00",
        f"{command} report aircraft --open",
        f"{command} quarantine aircraft",
        f"{command} status",
        f"{command} run {' '.join(CONTRACTS)}   # again: changes nothing",
        f"{command} contracts show new_source_table",
        f"{command} access new_source_table --as analyst --rows 1",
        f"{command} audit show",
    ):
        screen.out.print(Text(f"  {line}"), soft_wrap=True)


@contextmanager
def _step(screen: CommandOutput, text: str) -> Iterator[None]:
    began = time.monotonic()
    with screen.waiting(text):
        yield
    screen.err.print(Text(f"{text}  {time.monotonic() - began:.1f} s"))
