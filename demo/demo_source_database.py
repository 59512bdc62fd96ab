"""The operational database of the demo, brought to its state at any moment of the year.

Promise: one rule decides every row. It is inserted when its departure is scheduled, updated
when the aircraft has landed, or with the carrier's monthly report where no landing was recorded,
and a cancelled flight stays as it is. Repeating a step, or going back in time, changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import LiteralString

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Identifier
from pyarrow import csv
from pydantic import SecretStr

from contracts.errors import SourceUnavailableError
from demo.flights_dataset import airports, flight_rows, naive_utc, planes
from demo.source_migrations import migrate

__all__ = [
    "GENERATED_CHANGED",
    "GENERATED_UNTIL",
    "Filled",
    "change_new_source_table",
    "create",
    "fill_new_source_table",
    "fill_until",
]

GENERATED_UNTIL = datetime(2024, 5, 1, tzinfo=UTC)
"""The moment to which `fill_new_source_table` brings its table."""

GENERATED_CHANGED = datetime(2024, 5, 3, tzinfo=UTC)
"""The moment to which `change_new_source_table` brings it."""

_ROWS_FIRST, _ROWS_LATER = 20_000, 331

_AIRPORTS_AS_OF = "2013-01-01"

_CORRECT: LiteralString = """
UPDATE source_schema.aircraft AS a
SET
    departed_at = log.departed_at,
    arrived_at = log.arrived_at,
    updated_date = log.completed_at
FROM carrier_log.flights AS log
WHERE
    a.flight_id = log.flight_id
    AND a.created_date = log.scheduled_departure
    AND a.departed_at IS NULL
    AND log.completed_at <= %(moment)s
"""

_INSERT: LiteralString = """
INSERT INTO source_schema.aircraft
SELECT
    log.flight_id, log.tail_number, log.carrier, log.flight_number, log.origin, log.destination,
    log.scheduled_departure,
    CASE WHEN log.completed_at <= %(moment)s THEN log.departed_at END AS departed_at,
    CASE WHEN log.completed_at <= %(moment)s THEN log.arrived_at END AS arrived_at,
    log.distance_miles,
    p.manufacturer, p.model, p.built_year, p.engines, p.seats, p.engine_kind,
    log.scheduled_departure AS created_date,
    CASE
        WHEN log.completed_at <= %(moment)s THEN log.completed_at ELSE log.scheduled_departure
    END AS updated_date
FROM carrier_log.flights AS log
LEFT JOIN source_schema.planes AS p ON p.tail_number = log.tail_number
WHERE
    log.scheduled_departure <= %(moment)s
    AND log.scheduled_departure
    > (SELECT coalesce(max(created_date), '-infinity') FROM source_schema.aircraft)
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a step did to its table, in rows."""

    inserted: int
    corrected: int


def create(dsn: SecretStr) -> None:
    """Bring the tables (spec 3.1) to their newest form, and fill the reference tables.

    `dsn` is a PostgreSQL connection string in libpq's form, here and below.

    Raises:
        SourceUnavailableError: The database does not answer; all functions below raise it too.
        SettingsError: It was made by a later release.
    """
    with _connected(dsn) as connection:
        migrate(connection)
        if _is_empty(connection, "SELECT FROM source_schema.existing_table_1 LIMIT 1"):
            _fill_reference_tables(connection)


def fill_until(dsn: SecretStr, moment: datetime, carrier: str | None = None) -> Filled:
    """Bring `aircraft` to its state at `moment`, which is included.

    The first call selects the flights for all later ones: all of the year, or one carrier's.

    Rows scheduled since the last state are inserted in the shape they have at `moment`; rows of
    the last state whose times have become known are updated. One transaction.

    Raises:
        SettingsError: `moment` has no time zone.
    """
    at = {"moment": naive_utc(moment)}
    with _connected(dsn) as connection:
        if _is_empty(connection, "SELECT FROM carrier_log.flights LIMIT 1"):
            log = flight_rows()
            selected = log if carrier is None else log[log["carrier"] == carrier]
            _copy(connection, "carrier_log.flights", selected)
        # Corrections first: inserted rows already have their state at the moment.
        corrected = connection.execute(_CORRECT, at).rowcount
        inserted = connection.execute(_INSERT, at).rowcount
    return Filled(inserted, corrected)


def fill_new_source_table(dsn: SecretStr) -> Filled:
    """Generate `new_source_table` as of `GENERATED_UNTIL`: 20,000 rows."""
    with _connected(dsn) as connection:
        inserted = _generate(connection, 1, _ROWS_FIRST, GENERATED_UNTIL)
    return Filled(inserted, 0)


def change_new_source_table(dsn: SecretStr) -> Filled:
    """Bring `new_source_table` to `GENERATED_CHANGED`: two rows in a hundred change, some come."""
    span = {"since": naive_utc(GENERATED_UNTIL), "until": naive_utc(GENERATED_CHANGED)}
    with _connected(dsn) as connection:
        corrected = connection.execute(_statements("generated_changes.sql"), span).rowcount
        inserted = _generate(
            connection, _ROWS_FIRST + 1, _ROWS_FIRST + _ROWS_LATER, GENERATED_CHANGED
        )
    return Filled(inserted, corrected)


@contextmanager
def _connected(dsn: SecretStr) -> Iterator[psycopg.Connection]:
    """One transaction: committed at the end, rolled back by an error."""
    try:
        connection = psycopg.connect(dsn.get_secret_value())
    except psycopg.OperationalError as error:
        raise SourceUnavailableError(
            where="the demo's source database",
            expected="a PostgreSQL that answers at the given address",
            found=type(error).__name__,
            next_step="Start the database, or look into its log, and try again.",
        ) from error
    with connection:
        yield connection


def _generate(connection: psycopg.Connection, first_id: int, last_id: int, until: datetime) -> int:
    span = {"first_id": first_id, "last_id": last_id, "until": naive_utc(until)}
    return connection.execute(_statements("generated_rows.sql"), span).rowcount


def _fill_reference_tables(connection: psycopg.Connection) -> None:
    airport_rows = airports().rename(
        columns={
            "faa": "code",
            "lat": "latitude",
            "lon": "longitude",
            "alt": "altitude_feet",
            "tzone": "time_zone",
        }
    )
    airport_rows["id"] = airport_rows.index + 1
    airport_rows["updated_date"] = _AIRPORTS_AS_OF
    plane_rows = planes().rename(
        columns={"tailnum": "tail_number", "year": "built_year", "engine": "engine_kind"}
    )
    _copy(connection, "source_schema.airports", airport_rows[["code", "name", "time_zone"]])
    _copy(
        connection,
        "source_schema.existing_table_1",
        airport_rows.drop(columns=["tz", "dst"]),
    )
    _copy(
        connection,
        "source_schema.planes",
        plane_rows.drop(columns=["type", "speed"]),
    )


def _copy(connection: psycopg.Connection, relation: str, rows: pd.DataFrame) -> None:
    """COPY the frame into the columns of its names; integers stay integers beside nulls."""
    table = pa.Table.from_pandas(rows.convert_dtypes(), preserve_index=False)
    table = table.cast(
        pa.schema(
            field.with_type(pa.timestamp("s")) if pa.types.is_timestamp(field.type) else field
            for field in table.schema
        )
    )
    content = io.BytesIO()
    csv.write_csv(table, content)
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(
        Identifier(*relation.split(".")), SQL(", ").join(map(Identifier, table.column_names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content.getbuffer())


def _is_empty(connection: psycopg.Connection, query: LiteralString) -> bool:
    return connection.execute(query).fetchone() is None


def _statements(name: str) -> bytes:
    return resources.files("demo").joinpath(name).read_bytes()
