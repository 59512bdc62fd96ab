"""From an unknown table of each kind of database to its published history, by three commands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest
from pyspark.sql import functions as F

from blocks.jdbc.jdbc_settings import JdbcSettings
from blocks.source_database import SourceDatabase
from contracts.loader import load_contract
from contracts.model import Absence, LoadKind
from strandline.command_line import main
from tests.flows.unknown_tables import (
    CANARY,
    DERBY,
    H2,
    LEFT_OUT,
    MARIADB,
    PROTECTED,
    SQLITE,
    Odd,
    statements,
)


@dataclass(frozen=True)
class Unknown:
    """A source, its table as typed, the columns of it, and those that a user decides about."""

    source: SourceDatabase
    typed: str
    columns: tuple[Odd, ...]
    doubtful: frozenset[str]
    execute: Callable[..., None]
    untold: str


@pytest.fixture(scope="module")
def unknown_of_mariadb(mariadb):
    def execute(*each):
        mariadb.execute("USE clinic", *each, variables="sql_mode = ''")

    mariadb.execute("CREATE DATABASE clinic CHARACTER SET utf8mb4")
    execute(*statements("`Odd Patients`", MARIADB, "`"))
    execute("CREATE INDEX k ON `Odd Patients` (updated_at)")
    yield Unknown(
        mariadb.source("clinic", user="reader"), "clinic.Odd Patients", MARIADB,
        frozenset({"zero"}), execute, "who owns a table",
    )  # fmt: skip
    mariadb.execute("DROP DATABASE clinic")


@pytest.fixture(scope="module")
def unknown_of_sqlite(tmp_path_factory):
    file = tmp_path_factory.mktemp("sqlite") / "clinic.db"

    def execute(*each):
        with closing(sqlite3.connect(file)) as connection:
            for statement in each:
                connection.execute(statement)
            connection.commit()

    execute(*statements('"Odd Patients"', SQLITE, '"'))
    doubtful = {"mixed", "half", "no flag", "fine price", "german day", "day number", "epoch"}
    return Unknown(
        SourceDatabase(dialect="sqlite", database=str(file)), "main.Odd Patients", SQLITE,
        frozenset(doubtful), execute, "comments, who owns a table, the zone of a time",
    )  # fmt: skip


@pytest.fixture(scope="module")
def unknown_of_h2(h2):
    def execute(*each):
        h2.execute("clinic", *each)

    execute(*statements('"Odd Patients"', H2, '"'))
    return Unknown(
        h2.source("clinic"), "PUBLIC.Odd Patients", H2,
        frozenset({"ides", "fine moment", "made"}), execute,
        "who owns a table, CHECK constraints, from what a column is computed",
    )  # fmt: skip


@pytest.fixture(scope="module")
def unknown_of_derby(spark):
    """A database whose driver writes the text; it is in memory, in Spark's own JVM."""
    url, driver = "jdbc:derby:memory:unknown", "org.apache.derby.iapi.jdbc.AutoloadedDriver"
    jvm = spark._jvm
    jvm.org.apache.spark.sql.execution.datasources.jdbc.DriverRegistry.register(driver)

    def execute(*each):
        connection = jvm.java.sql.DriverManager.getConnection(f"{url};create=true")
        with closing(connection), closing(connection.createStatement()) as made:
            for statement in each:
                made.execute(statement)

    execute(*statements('APP."Odd Patients"', DERBY, '"'))
    # Spark brings this driver itself.
    packages = ("com.h2database:h2:2.4.240",)
    settings = JdbcSettings(url=url, driver=driver, packages=packages, text="{column}")
    return Unknown(
        SourceDatabase(dialect="jdbc", jdbc=settings), "APP.Odd Patients", DERBY, frozenset(),
        execute, "who owns a table, CHECK constraints, from what a column is computed",
    )  # fmt: skip


@pytest.fixture(scope="module")
def unknown(request):
    return request.getfixturevalue(f"unknown_of_{request.param}")


@pytest.fixture(scope="module")
def place(unknown, make_workplace, tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("mine") / "contracts", source=unknown.source)


@pytest.mark.parametrize("unknown", ["mariadb", "sqlite", "h2", "derby"], indirect=True)
def test_three_commands_lead_from_an_unknown_table_to_its_history(unknown, place, capfd, caplog):
    new = ("contracts", "new", "--source", "source-db-conn", "--table", unknown.typed, "--json")

    assert main([*new]) == 0
    written = capfd.readouterr()
    assert main(["contracts", "check", "odd_patients"]) == 0
    assert main(["run", "odd_patients"]) == 0

    path = place.settings.contracts_directory / "odd_patients.yaml"
    text = path.read_text(encoding="utf-8")
    told = json.loads(written.out)
    contract = load_contract(path)
    said = " ".join(text.replace("#", " ").split())
    assert f"Its catalog does not tell: {unknown.untold}." in said
    for secret in (CANARY, CANARY.upper(), "Zephyrine"):
        assert secret not in text + written.out + written.err + caplog.text
    assert (told["rows"], told["key"], contract.key) == (2, ["id"], ("id",))
    assert (contract.source.load, contract.history.absent) == (LoadKind.FULL, Absence.CLOSE)
    assert contract.source.sequence == contract.source.watermark == ("updated_at",)
    left = {each["source_column"] for each in told["left_out"]}
    assert left == {each.name for each in unknown.columns if each.becomes == LEFT_OUT}
    decided = [each["text"] for each in told["decisions"]]
    doubted = {each.name for each in unknown.columns if any(each.name in text for text in decided)}
    assert doubted >= unknown.doubtful
    assert len(decided) == len(unknown.doubtful)
    read = history(place, contract)
    wanted = {
        1: {each.name: each.becomes for each in unknown.columns if each.becomes != LEFT_OUT},
        2: {each.name: second(each) for each in unknown.columns if each.becomes != LEFT_OUT},
    }
    assert read.keys() == wanted.keys()
    for key, row in wanted.items():
        assert {n: (read[key].get(n), row[n]) for n in row if read[key].get(n) != row[n]} == {}
        assert read[key].keys() == row.keys()


def second(column):
    """What the second row has: nothing, but where there must be something."""
    if column.name == "id":
        return "2"
    return column.becomes if "NOT NULL" in column.declared else None


def history(place, contract):
    """By key, and by column of the source, the text of what is open."""
    (namespace, table) = contract.target.split(".")
    frame = place.table(f"{namespace}.{table}").where("is_current")
    sources = {each.name: each.sources[0] for each in contract.columns if len(each.sources) == 1}
    sources |= {
        each.name: "updated_at"
        for each in contract.columns
        if each.transformation.name == "sequence"
    }
    protected = {each.name for each in contract.columns if each.protection is not None}
    binary = {name for name, kind in frame.dtypes if kind == "binary"}
    texts = [
        (F.hex(F.col(f"`{name}`")) if name in binary else F.col(f"`{name}`").cast("string"))
        for name in sources
    ]
    rows = [dict(zip(sources, row, strict=True)) for row in frame.select(*texts).collect()]
    found = {}
    for row in rows:
        found[int(row["id"])] = {
            sources[name]: PROTECTED if name in protected and text is not None else text
            for name, text in row.items()
        }
    return found


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param("mariadb"),
        pytest.param("sqlite", marks=pytest.mark.nightly),
        pytest.param("h2", marks=pytest.mark.nightly),
        pytest.param("derby", marks=pytest.mark.nightly),
    ],
    indirect=True,
)
def test_the_next_load_finds_what_changed_and_what_is_gone(unknown, place):
    quote = "`" if unknown.source.dialect == "mariadb" else '"'
    table = f"{quote}Odd Patients{quote}"
    if unknown.typed.startswith("APP."):
        table = f"APP.{table}"
    unknown.execute(f"DELETE FROM {table} WHERE {quote}id{quote} = 2")  # noqa: S608 - our own

    assert main(["run", "odd_patients"]) == 0

    contract = load_contract(place.settings.contracts_directory / "odd_patients.yaml")
    assert history(place, contract).keys() == {1}
