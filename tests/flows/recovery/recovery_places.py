"""What a recovery drill destroys, and what it compares before and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from blocks.backup_target import BackupTarget
from blocks.lookup import block_lookup
from blocks.run_settings import RunSettings
from blocks.spark import create_session
from flows.load_table import load_table

RPO, RTO = 3600.0, 4 * 3600.0
THIRD = (6, "South", "Di Webb", "60.00", "IN", "2024-01-04 10:00", None)
FOURTH = (7, "North", "Ed Vane", "77.00", "IN", "2024-01-05 10:00", None)


def with_settings(place, **fields: object) -> RunSettings:
    """The workplace's settings with other fields, which flows and commands find from now on."""
    settings = place.settings.model_copy(update=fields)
    target = [] if settings.backups is None else [("backups", settings.backups)]
    block_lookup.save_local(
        place.root / "blocks.yaml",
        ("default", settings),
        ("local", settings.spark),
        ("local", settings.lakehouse),
        ("local", settings.key_ring),
        *target,
        ("source-db-conn", block_lookup.source("source_db_conn")),
    )
    return settings


def with_backups(place, **fields: int) -> RunSettings:
    """The workplace, its settings with a backup target in its own folder."""
    target = BackupTarget(location=str(place.root / "backups"), **fields)
    return with_settings(place, backups=target)


def new_process(place):
    """Spark's sessions as a new process would have them: no catalog is open yet."""
    create_session._shared.clear()
    return place.settings.spark.session(place.settings.lakehouse)


def rows_of(spark, table: str) -> list[str]:
    return sorted(str(row) for row in spark.table(table).collect())


def whole_history(place) -> dict[str, list[str]]:
    """Every row of the history, of its kept events and of what ledgers tell of it."""
    spark, catalog = new_process(place), place.settings.lakehouse.catalog
    names = (
        *("clinic.patients", "clinic.patients__kept_events", "clinic.patients_current"),
        *("governance.quarantine", "governance.data_lineage", "governance.run_metrics"),
    )
    return {name: rows_of(spark, f"{catalog}.{name}") for name in names}


def opened_by_another_load(place, row) -> int:
    """How many versions a further load opens, of which one reading is new."""
    place.update(row)
    return load_table("readings").report.opened


def pointer(place, table: str = "clinic.patients") -> Path:
    """The metadata file to which the catalog points."""
    spark = new_process(place)
    log = spark.table(f"{place.settings.lakehouse.catalog}.{table}.metadata_log_entries")
    newest = log.orderBy("timestamp").tail(1)[0].file
    return Path("/" + newest.removeprefix("file:").lstrip("/"))


def drop_catalog_database(place) -> None:
    """The catalog's database is gone; an empty one takes its place, as its operator makes it."""
    name = f"{place.settings.lakehouse.catalog}_lake"
    dsn = place.dsn.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))


class Drill:
    """The clock of one drill."""

    def __init__(self) -> None:
        self.lost_seconds = 0.0
        self.seconds = 0.0
        self.backup_age = 0.0

    @contextmanager
    def recovering(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds += time.monotonic() - started
