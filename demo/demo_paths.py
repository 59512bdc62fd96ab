"""The paths of the demo: all below one directory, described by blocks of its own.

Promise: `make_demo_paths` empties that directory and nothing else; a block file of the user's own
is never replaced.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from blocks.backup_target import BackupTarget
from blocks.embedded_postgres import EmbeddedPostgres
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime

__all__ = ["DemoPaths", "make_demo_paths", "postgres_directory"]

_QUICK_START = {
    # Two minutes of small jobs: an optimising compiler takes more time than it saves.
    # Without it a JVM has room for 48 MB of code only, and ends in a load when that is full.
    "spark.driver.extraJavaOptions": (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseParallelGC"
    ),
}


@dataclass(frozen=True, slots=True)
class DemoPaths:
    """The demo's database, its settings, and the file with its blocks."""

    postgres: EmbeddedPostgres
    settings: RunSettings
    block_file: Path
    found_by_default: bool


def make_demo_paths(root: Path) -> DemoPaths:
    """An empty demo under `root`/demo, its PostgreSQL running and its blocks written.

    This process finds the blocks, and later commands too unless `root`/blocks.yaml is the user's
    own.

    Raises:
        EnvironmentUnfitError: The directory can't be used, or PostgreSQL does not start.
    """
    base = root / "demo"
    EmbeddedPostgres(postgres_directory(root)).stop()
    shutil.rmtree(base, ignore_errors=True)
    postgres = EmbeddedPostgres(postgres_directory(root))
    postgres.start()
    backups = BackupTarget(location=str(base / "backups"))
    settings = _settings(base, backups)
    block_file = block_lookup.save_local(
        base / "blocks.yaml",
        ("default", settings),
        ("local", settings.spark),
        ("local", settings.lakehouse),
        ("local", settings.key_ring),
        ("local", backups),
        (
            block_lookup.block_name("source_db_conn"),
            SourceDatabase(database=postgres.database, embedded_directory=base / "postgres"),
        ),
    )
    os.environ[block_lookup.VARIABLE] = str(block_file)
    return DemoPaths(postgres, settings, block_file, _link(root / "blocks.yaml", block_file))


def postgres_directory(root: Path) -> Path:
    """The directory of the demo's PostgreSQL, which has the source database and the catalog."""
    return root / "demo" / "postgres"


def _settings(base: Path, backups: BackupTarget) -> RunSettings:
    return RunSettings(
        spark=SparkRuntime(
            kind="local",
            master="local[2]",
            driver_memory="3g",
            shuffle_partitions=2,
            configuration=_QUICK_START,
            log_directory=base / "logs",
        ),
        lakehouse=Lakehouse(
            kind="jdbc",
            warehouse=str(base / "warehouse"),
            embedded_directory=base / "postgres",
        ),
        key_ring=LocalKeyRing(
            path=base / "keys.json", key_encryption_key=LocalKeyRing.generate_key()
        ),
        state_directory=base / "state",
        backups=backups,
        slices=2,
    )


def _link(default: Path, block_file: Path) -> bool:
    """Let later commands find the blocks; False where a file of the user's own is in the way."""
    if default.is_symlink():
        default.unlink()
    if default.exists():
        return False
    default.symlink_to(block_file.relative_to(default.parent))
    return True
