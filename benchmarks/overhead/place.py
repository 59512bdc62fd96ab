"""The surroundings of the measured loads: a source database, a lakehouse, blocks, a stack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from blocks.embedded_postgres import EmbeddedPostgres, running_postgres
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime
from demo import demo_source_database
from deployments.local_stack.stack_paths import StackPaths
from deployments.local_stack.start_stop import down, up
from deployments.server_setup.read_prefect_yaml import Project

CONTRACT = "existing_table_1"
"""1,458 rows, loaded in full: after the first load nothing changes."""

MASTER, DRIVER_MEMORY = "local[2]", "2g"


@dataclass(frozen=True, slots=True)
class Place:
    """The stack whose server is measured, and its port."""

    stack: StackPaths
    port: int


@contextmanager
def blocks_below(root: Path) -> Iterator[None]:
    """A source, a lakehouse and the blocks that name them, which this process uses meanwhile."""
    postgres = EmbeddedPostgres(root / "postgres")
    postgres.start()
    demo_source_database.create(postgres.dsn)
    settings = RunSettings(
        spark=SparkRuntime(
            master=MASTER,
            driver_memory=DRIVER_MEMORY,
            shuffle_partitions=2,
            log_directory=root / "logs",
        ),
        lakehouse=Lakehouse(
            warehouse=str(root / "warehouse"), embedded_directory=root / "postgres"
        ),
        key_ring=LocalKeyRing(
            path=root / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
        ),
        state_directory=root / "state",
        slices=2,
    )
    source = SourceDatabase(database=postgres.database, embedded_directory=root / "postgres")
    name = block_lookup.block_name("source_db_conn")
    file = block_lookup.save_local(root / "blocks.yaml", ("default", settings), (name, source))
    os.environ[block_lookup.VARIABLE] = str(file)
    try:
        yield
    finally:
        # The blocks keep it running in this process; it has to end before its directory is removed.
        running_postgres(root / "postgres").stop()
        postgres.stop()


@contextmanager
def place(root: Path, project: Path) -> Iterator[Place]:
    """All of it below `root`, with a stack, and stopped afterwards."""
    stack = StackPaths.below(root)
    with blocks_below(root):
        try:
            started = up(Project.read(project), stack, port=None, doing=lambda _text: nullcontext())
            yield Place(stack, int(started.url.rpartition(":")[2]))
        finally:
            down(stack, lambda _text: nullcontext())
