"""One run loads tables of several databases: each has a circuit and a limit of its own."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import psycopg
import pytest
import yaml

from blocks.coordination.circuit_breaker import CircuitState
from blocks.lookup import block_lookup
from contracts.errors import SourceUnavailableError
from flows.load_tables import TablesFailedError, load_tables
from strandline.command_line import main
from tests.flows.failing_source import circuit_of, counting_server, set_settings
from tests.flows.state_contracts import write_contract

COLUMNS = {"id": "INTEGER", "v": "VARCHAR(20)", "updated_at": "TIMESTAMP"}
HERE, THERE = ("beds", "wards"), ("bills", "dues")
"""Contracts of the database that answers, and of the one that does not."""
TABLE = """
CREATE TABLE {0} (id int PRIMARY KEY, v varchar(20), updated_at timestamp);
INSERT INTO {0} VALUES (1, 'a', '2024-01-01')
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^strandline [0-9a-f]+$'"


@pytest.fixture(name="dead_server")
def hung_up_on():
    with counting_server() as server:
        yield server


@pytest.fixture
def place(make_workplace, tmp_path, dead_server):
    """Two tables of a database that allows one read at a time, and two of one that is gone."""
    for name in (*HERE, *THERE):
        source = {"load": "full", "retry_attempts": 2}
        if name in THERE:
            source["connection"] = "billing"
        write_contract(tmp_path, name, COLUMNS, source, {"absent": "close"})
    made = make_workplace(tmp_path)
    for name in HERE:
        made.execute(TABLE.format(name))
    path = made.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    sources = text["source-database"]
    sources["billing"] = {
        **sources["source-db-conn"],
        "port": dead_server[0],
        "circuit_failures": 3,
        "circuit_open_seconds": 3600,
        "max_connections": 9,
    }
    sources["source-db-conn"]["max_connections"] = 2
    path.write_text(yaml.safe_dump(text))
    set_settings(made, side_by_side=4)
    return made


@contextmanager
def watched(place):
    """Yields the numbers of sessions of reads that were seen meanwhile."""
    seen, ended = set(), threading.Event()

    def watch():
        with psycopg.connect(place.dsn.get_secret_value(), autocommit=True) as session:
            while not ended.wait(0.005):
                seen.add(session.execute(SESSIONS).fetchone()[0])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield seen
    ended.set()
    thread.join()


def test_a_dead_database_costs_one_circuit_and_the_tables_of_another_are_published(
    place, dead_server, capsys
):
    _, counted = dead_server
    with pytest.raises(SourceUnavailableError):
        block_lookup.source("billing").check()
    an_attempt = len(counted)

    with watched(place) as seen:
        state = load_tables([*THERE, *HERE], return_state=True)

    with pytest.raises(TablesFailedError) as caught:
        state.result()
    states = {each.contract: each.state for each in caught.value.outcomes}
    assert states == {
        **dict.fromkeys(THERE, "SourceCircuitOpenError"),
        **dict.fromkeys(HERE, "published"),
    }
    # Three failures open the circuit; a read that began before that may be one more.
    assert 3 <= len(counted) / an_attempt - 1 <= 4
    assert circuit_of(place).state is CircuitState.CLOSED
    assert 0 < max(seen) <= 2
    for name in HERE:
        assert place.table(f"states.{name}").count() == 1
    assert place.leftovers == []
    capsys.readouterr()
    assert main(["source", "status", "--json"]) == 0
    told = {each["source"]: each for each in json.loads(capsys.readouterr().out)["sources"]}
    assert {name: each["circuit"] for name, each in told.items()} == {
        "source_db_conn": "closed", "billing": "open",
    }  # fmt: skip
    assert all(each["held"] == {} for each in told.values())
