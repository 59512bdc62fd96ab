"""A source that fails is left alone by all runs, tried by one, and read again when it answers."""

from __future__ import annotations

import json
import shutil
import time

import pytest
import yaml

from blocks.coordination.circuit_breaker import CircuitState
from blocks.embedded_postgres import EmbeddedPostgres
from blocks.lookup import block_lookup
from contracts.alerts import event_names as names
from contracts.errors import (
    LoadTimedOutError,
    SourceAccessError,
    SourceBusyError,
    SourceCircuitOpenError,
    SourceUnavailableError,
)
from flows.load_table import load_table
from flows.load_tables import TablesFailedError, load_tables
from strandline.command_line import main
from tests.flows.failing_source import (
    CONNECTION,
    SLOW_VIEW,
    circuit_of,
    counting_server,
    move_source,
    sessions,
    set_settings,
    set_source,
    wait_until,
)
from tests.flows.readings import CONTRACT, FIRST, SECOND, versions


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server that may be stopped."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("own-postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(name="counting_server")
def hung_up_on():
    with counting_server() as server:
        yield server


def command(capsys, *arguments):
    """The exit code and the answer of a command."""
    capsys.readouterr()
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def three(make_workplace, tmp_path):
    """Three contracts of one source, each of which tries three times."""
    for name in ("readings", "visits", "orders"):
        text = yaml.safe_load(CONTRACT.read_text())
        text.update(id=name, name=name)
        text["schema"][0].update(name=name, physicalName=f"clinic.{name}")
        text["customProperties"][0]["value"]["source"]["retry_attempts"] = 2
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(text))
    return make_workplace(tmp_path)


def test_three_tables_of_a_dead_source_cost_one_round_of_attempts(three, counting_server):
    port, counted = counting_server
    set_source(three, port=port, circuit_failures=3)
    with pytest.raises(SourceUnavailableError):
        block_lookup.source(CONNECTION).check()
    an_attempt = len(counted)

    state = load_tables(["readings", "visits", "orders"], return_state=True)

    with pytest.raises(TablesFailedError) as caught:
        state.result()
    assert [each.state for each in caught.value.outcomes] == ["SourceCircuitOpenError"] * 3
    assert caught.value.exit_code == 75
    assert len(counted) - an_attempt == 3 * an_attempt
    # And a fourth run does not try it at all.
    with pytest.raises(SourceCircuitOpenError) as refused:
        load_table("readings")
    assert len(counted) == 4 * an_attempt
    assert "after 3 failures in a row" in refused.value.found
    assert "strandline source status source_db_conn" in refused.value.next_step


def test_a_source_that_comes_back_is_tried_by_one_run_and_read(readings, own_server, told, capsys):
    move_source(readings, own_server)
    set_source(readings, circuit_failures=2, circuit_open_seconds=3)
    load_table("readings")
    first = versions(readings)
    told()
    own_server.stop()
    with pytest.raises(SourceUnavailableError):
        load_table("readings")
    with pytest.raises(SourceCircuitOpenError) as opened:
        load_table("readings")
    with pytest.raises(SourceCircuitOpenError) as refused:
        load_table("readings")
    code, shown = command(capsys, "source", "status", CONNECTION)
    status = command(capsys, "status")[1]["sources"]
    away = told()
    own_server.start()
    set_source(readings, port=own_server.port)
    assert wait_until(lambda: time.time() >= circuit_of(readings).next_probe)
    load_table("readings")
    back = told()

    assert opened.value.found == refused.value.found
    assert (code, shown["sources"], status) == (0, status, shown["sources"])
    assert (shown["sources"][0]["circuit"], shown["sources"][0]["failures"]) == ("open", 2)
    assert [each.event for each in away] == [names.CIRCUIT_OPENED]
    assert away[0].resource.id == names.source_resource(CONNECTION)
    assert (away[0].payload["failures"], away[0].payload["contract"]) == (2, "readings")
    assert [each.event for each in back][:2] == [names.CIRCUIT_HALF_OPENED, names.CIRCUIT_CLOSED]
    assert circuit_of(readings).state is CircuitState.CLOSED
    assert versions(readings) == first
    assert readings.leftovers == []


def test_a_refused_password_opens_nothing(readings):
    set_source(readings, password="wrong", circuit_failures=1)  # noqa: S106

    for _ in range(2):
        with pytest.raises(SourceAccessError):
            load_table("readings")

    assert circuit_of(readings).state is CircuitState.CLOSED


def test_a_circuit_is_closed_by_hand(readings, capsys):
    readings.update(*FIRST)
    port = yaml.safe_load((readings.root / "blocks.yaml").read_text())
    port = port["source-database"]["source-db-conn"]["port"]
    set_source(readings, port=1, circuit_failures=1, circuit_open_seconds=3600)
    with pytest.raises(SourceCircuitOpenError):
        load_table("readings")
    set_source(readings, port=port)
    with pytest.raises(SourceCircuitOpenError):
        load_table("readings")

    code, answer = command(capsys, "source", "reset", "source-db-conn")

    assert (code, answer["before"]) == (0, "open")
    assert load_table("readings").report.published
    assert command(capsys, "source", "reset", "no-such-db")[0] == 66


def test_a_state_that_can_not_be_kept_keeps_no_source_from_being_read(readings, caplog):
    readings.update(*FIRST)
    folder = readings.root / "state" / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no directory")
    set_source(readings, max_connections=2)

    with caplog.at_level("WARNING"):
        assert load_table("readings").report.published

    assert "is read without" in caplog.text


def test_a_statement_that_takes_too_long_is_ended_in_the_database_too(readings):
    readings.update(*FIRST)
    readings.execute(SLOW_VIEW.format(seconds=600))
    set_source(readings, statement_timeout_seconds=1)

    with pytest.raises(SourceUnavailableError, match="57014"):
        load_table("readings")

    assert sessions(readings.dsn.get_secret_value()) == 0
    assert readings.leftovers == []


@pytest.mark.parametrize("which", ["bounds", pytest.param("rows", marks=pytest.mark.nightly)])
def test_a_table_that_takes_too_long_is_ended_in_the_database_too(readings, monkeypatch, which):
    readings.update(*FIRST)
    # Five rows take longer than four seconds, but their bounds are known before that.
    readings.execute(SLOW_VIEW.format(seconds=600 if which == "bounds" else 0.5))
    set_settings(readings, table_minutes=1)
    monkeypatch.setattr("tasks.lifecycle.open_run.time_limit", _in_seconds(4))

    with pytest.raises(LoadTimedOutError):
        load_table("readings")

    assert wait_until(lambda: sessions(readings.dsn.get_secret_value()) == 0, 5)
    assert circuit_of(readings).failures == 0
    assert "clinic" not in catalog_of(readings)
    assert readings.leftovers == []


def catalog_of(place):
    """What is published: namespaces with a table."""
    catalog = place.settings.lakehouse.catalog
    namespaces = place.spark.sql(f"SHOW NAMESPACES IN {catalog}").collect()
    return {
        each.namespace
        for each in namespaces
        if place.spark.sql(f"SHOW TABLES IN {catalog}.{each.namespace}").collect()
    }


def _in_seconds(seconds):
    from tasks.lifecycle.time_limit import time_limit

    def limit(spark, minutes, *, where, tag):
        return time_limit(spark, seconds / 60, where=where, tag=tag)

    return limit


def test_a_read_takes_no_more_connections_than_all_runs_may_hold(readings, capsys):
    readings.update(*FIRST)
    readings.update(*SECOND)
    set_source(readings, max_connections=2, connection_wait_seconds=1)
    held = {"another run": [2, time.time() + 50]}
    folder = readings.root / "state" / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "connections-source-db-conn.json").write_text(json.dumps(held))

    with pytest.raises(SourceBusyError):
        load_table("readings")
    shown = command(capsys, "source", "status")[1]["sources"][0]["held"]
    (folder / "connections-source-db-conn.json").write_text(
        json.dumps({"a run that died": [2, time.time() + 1]})
    )
    load_table("readings")

    assert shown == {"another run": 2}
    assert command(capsys, "source", "status")[1]["sources"][0]["held"] == {}
