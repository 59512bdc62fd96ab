"""What is wrong is told in one message, and nothing has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import (
    ContractError,
    EmptyBatchError,
    EnvironmentUnfitError,
    KeyUnavailableError,
    QualityGateError,
    SchemaDriftError,
    SettingsError,
    SourceAccessError,
    SourceUnavailableError,
    TableBusyError,
)
from flows.load_table import load_table
from tasks.run.progress_listeners import listening
from tests.flows.readings import FIRST, TABLE, versions


@pytest.fixture(scope="module")
def once_loaded(make_workplace, contracts):
    place = make_workplace(contracts)
    place.execute(TABLE)
    place.update(*FIRST)
    load_table("readings")
    return place


@pytest.fixture
def loaded(once_loaded):
    """A loaded workplace: no test here changes its target, and source and blocks are put back."""
    blocks = once_loaded.root / "blocks.yaml"
    text, keys = blocks.read_text(), once_loaded.settings.key_ring.path.read_bytes()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(block_lookup.VARIABLE, str(blocks))
        yield once_loaded
    blocks.write_text(text)
    once_loaded.settings.key_ring.path.write_bytes(keys)
    once_loaded.execute("DROP SCHEMA clinic CASCADE")
    once_loaded.execute(TABLE)
    once_loaded.update(*FIRST)


def refuses(place, kind, *said):
    """The load raises this kind with these words, and the target is as it was."""
    before = (versions(place), place.snapshots("clinic.patients"))
    with pytest.raises(kind) as caught:
        load_table("readings")
    message = str(caught.value)
    assert [word for word in said if word not in message] == []
    assert place.settings.lakehouse.password.get_secret_value() not in message
    assert (versions(place), place.snapshots("clinic.patients")) == before


def replace_source(place, **changes):
    path = place.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    text["source-database"]["source-db-conn"].update(changes)
    path.write_text(yaml.safe_dump(text))


def test_unknown_table(loaded):
    with pytest.raises(ContractError, match="readings"):
        load_table("reading")


def test_source_table_gone(loaded):
    loaded.execute("ALTER TABLE clinic.readings RENAME TO readings_old")
    refuses(loaded, SchemaDriftError, "readings")


def test_missing_source_column(loaded):
    loaded.execute("ALTER TABLE clinic.readings RENAME COLUMN weight TO weigth")
    refuses(loaded, SchemaDriftError, "weight", "weigth")


def test_type_drift(loaded):
    loaded.execute("ALTER TABLE clinic.readings ALTER COLUMN ward TYPE integer USING 1")
    refuses(loaded, SchemaDriftError, "ward", "int")


def test_wrong_password(loaded):
    replace_source(loaded, password="wrong-" + "password")
    refuses(loaded, SourceAccessError)


def test_unreachable_database(loaded):
    replace_source(loaded, port=1)
    refuses(loaded, SourceUnavailableError)


def test_a_table_that_may_not_be_empty_is(loaded, contracts):
    path = contracts / "readings.yaml"
    text = path.read_text()
    path.write_text(
        text.replace(
            "        load: incremental\n",
            "        load: incremental\n        may_be_empty: false\n",
        )
    )
    loaded.execute("DELETE FROM clinic.readings")
    try:
        refuses(loaded, EmptyBatchError, "readings")
    finally:
        path.write_text(text)


def test_key_ring_gone(loaded):
    loaded.settings.key_ring.path.unlink()
    refuses(loaded, KeyUnavailableError)


def test_a_bad_batch_closes_the_gate_and_is_kept(loaded):
    rows = [
        (number, "North", "Di Lark", "0.20", "IN", "2024-03-01 08:00", None)
        for number in range(100, 120)
    ]
    loaded.update(*rows)
    held = loaded.table("governance.quarantine").count()
    refuses(loaded, QualityGateError, "30", "strandline quarantine readings")

    assert loaded.table("governance.quarantine").count() == held + len(rows)
    last = loaded.table("governance.run_metrics").orderBy("start_time", ascending=False).first()
    assert (last.state, last.error_kind) == ("refused", "QualityGateError")
    # Its stage is kept, with a note until when, so that a person may publish it.
    stage, note = loaded.leftovers
    assert stage == f"readings__{last.batch_id.lower()}"
    assert "kept_until" in Path(note).read_text(encoding="utf-8")


def test_two_runs_of_one_table_at_once(loaded):
    busy = []

    def intrude(progress):
        if (progress.step, progress.state) == ("extract", "done"):
            with pytest.raises(TableBusyError) as caught:
                load_table.fn("readings")
            busy.append(caught.value)

    with listening(intrude):
        load_table("readings")

    assert len(busy) == 1


def test_no_blocks(readings, monkeypatch, tmp_path):
    monkeypatch.setenv(block_lookup.VARIABLE, str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        load_table("readings")


def test_unwritable_warehouse(readings):
    path = readings.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    (readings.root / "in-the-way").write_text("a file where the warehouse should be")
    text["lakehouse"]["local"]["warehouse"] = str(readings.root / "in-the-way" / "warehouse")
    path.write_text(yaml.safe_dump(text))

    with pytest.raises(EnvironmentUnfitError, match="in-the-way"):
        load_table("readings")


def test_no_room_on_the_disk(readings):
    path = readings.root / "blocks.yaml"
    text = yaml.safe_load(path.read_text())
    text["lakehouse"]["local"]["minimum_free_mb"] = 10**9
    path.write_text(yaml.safe_dump(text))

    with pytest.raises(EnvironmentUnfitError, match="disk"):
        load_table("readings")


def test_the_source_block_is_what_the_contract_names(readings):
    assert isinstance(block_lookup.source("source_db_conn"), SourceDatabase)
