"""The rotation drill: readers with old keys and with new ones, and crashes on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pyspark.errors import PythonException
from pyspark.sql import Window
from pyspark.sql import functions as F

from contracts.errors import AuditError, KeyUnavailableError, TableBusyError
from contracts.model.encryption_keys import KeyPurpose, KeyState
from flows.load_table import load_table
from flows.rotate_keys import rotate_keys
from history.iceberg.current_snapshot import current_state
from history.upkeep import rewrite_values as engine
from history.writing.quarantine_table import SOURCE_FORM
from tasks.key_rotation import quarantine_tokens, rotate_table_key
from tasks.lifecycle.table_lock import table_lock
from tasks.transforms.protection.aes_gcm_encryption import decrypted, key_mark
from tasks.transforms.protection.column_protection import from_text
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, TABLE, versions

CONTRACT_TABLE, KEPT = "clinic.patients", "clinic.patients__kept_events"
NAMES = {"Ada Pell", "Bo Finch", "Cy Rook", CANARY}


class Stopped(BaseException):
    """The process ends here."""


def stop(*_args, **_kwargs):
    raise Stopped


@pytest.fixture
def loaded(make_workplace, contracts):
    """Readings, loaded: versions, kept events, and two rows in the quarantine."""
    return loaded_readings(make_workplace(contracts))


@pytest.fixture(scope="module")
def shared(make_workplace, contracts):
    """The same, for tests that change neither the history nor the quarantine."""
    return loaded_readings(make_workplace(contracts))


def loaded_readings(place):
    place.execute(TABLE)
    for batch in (FIRST, SECOND):
        place.update(*batch)
        load_table("readings")
    # Another client of the source tells the same again, which opens no version.
    place.execute("UPDATE clinic.readings SET changed_at = '2024-01-03 11:00' WHERE patient = 5")
    load_table("readings")
    return place


def ring_of(place):
    return place.settings.key_ring


def encryption_keys(place):
    return [each for each in ring_of(place).status() if each.purpose is KeyPurpose.ENCRYPTION]


def marks(place, name=CONTRACT_TABLE):
    found = place.table(name)
    if name == KEPT:
        # The history names the snapshot of it that readers see.
        snapshot = state_of(place).kept_snapshot
        reader = place.spark.read.option("versionAsOf", snapshot)
        found = reader.table(f"{place.settings.lakehouse.catalog}.{KEPT}")
    found = found.where("name IS NOT NULL")
    return {bytes(row[0]) for row in found.select(F.substring("name", 3, 4)).distinct().collect()}


def clear(frame, keys):
    name = decrypted(F.col("name"), keys, table=CONTRACT_TABLE, column_name="name", kind="string")
    return {row[0] for row in frame.select(name).collect()} - {None}


def refused_names(place, keys):
    """The names in the quarantine, from rows of the source."""
    rows = place.table("governance.quarantine").where(F.col("form") == SOURCE_FORM)
    tokens = from_text(F.get_json_object("row", "$.name"))
    name = decrypted(tokens, keys, table=CONTRACT_TABLE, column_name="source:name", kind="string")
    return [row[0] for row in rows.select(name).collect()]


def rest(place):
    """All that a rotation has to leave as it is."""
    rows = place.table(CONTRACT_TABLE).drop("name")
    return sorted(rows.toArrow().to_pylist(), key=lambda row: row["surrogate_key"])


def state_of(place):
    return current_state(place.spark, f"{place.settings.lakehouse.catalog}.{CONTRACT_TABLE}")


def test_the_drill(loaded):
    place, ring = loaded, ring_of(loaded)
    (first,) = encryption_keys(place)
    old_keys = ring.decryption_keys(CONTRACT_TABLE)
    before = rest(place)
    old_rows = place.spark.createDataFrame(place.table(CONTRACT_TABLE).collect())
    assert marks(place, KEPT) == {key_mark(first.id)}

    outcome = rotate_keys("readings")

    # Lazily: nothing is rewritten, the next load uses the new key, and readers need both.
    assert (outcome.rewritten, outcome.versions) == (False, 0)
    assert outcome.key.state is KeyState.ACTIVE
    assert marks(place) == {key_mark(first.id)}
    place.update((6, "South", "Di Webb", "60.00", "IN", "2024-01-04 10:00", None))
    load_table("readings")
    both = {key_mark(each.id) for each in encryption_keys(place)}
    assert marks(place) == both
    all_keys = ring.decryption_keys(CONTRACT_TABLE)
    assert clear(place.table(CONTRACT_TABLE), all_keys) == {*NAMES, "Di Webb"}
    with pytest.raises(PythonException, match=key_mark(outcome.key.id).hex()):
        clear(place.table(CONTRACT_TABLE), old_keys)
    assert clear(old_rows, old_keys) == clear(old_rows, all_keys) == NAMES

    told = state_of(place)
    rewritten = rotate_keys("readings", rewrite=True)

    new_keys = {rewritten.key.id: ring.data_key(rewritten.key.id)}
    assert rewritten.versions == 6
    assert rewritten.kept_events >= 1
    assert rewritten.quarantined == 2
    assert marks(place) == {key_mark(rewritten.key.id)}
    assert marks(place, KEPT) == {key_mark(rewritten.key.id)}
    assert clear(place.table(CONTRACT_TABLE), new_keys) == {*NAMES, "Di Webb"}
    assert refused_names(place, new_keys) == [CANARY, CANARY]
    with pytest.raises(PythonException, match="KeyUnavailableError"):
        clear(place.table(CONTRACT_TABLE), old_keys)
    assert clear(old_rows, ring.decryption_keys(CONTRACT_TABLE)) == NAMES
    assert [each.state for each in encryption_keys(place)] == ["retired", "retired", "active"]
    assert not any(each.rewrite_pending for each in ring.status())
    assert [row for row in rest(place) if row["patient"] != 6] == before

    # The next load goes on as if nothing had happened: batch, watermark and counters are there.
    assert (state_of(place).batches, state_of(place).high_water) == (told.batches, told.high_water)
    kept = {"strandline.kept-snapshot-id"}
    assert told.properties.keys() == state_of(place).properties.keys()
    assert {
        n: t for n, t in told.properties.items() if state_of(place).properties[n] != t
    }.keys() == kept
    assert not load_table("readings").report.published
    assert versions(place)[:5] == AFTER_BOTH
    assert place.leftovers == []


def test_a_rewrite_that_was_stopped_goes_on_with_the_same_key(loaded, monkeypatch):
    place, ring = loaded, ring_of(loaded)
    (first,) = encryption_keys(place)
    before = rest(place)

    for module, name in (
        (engine.branches, "fast_forward"),  # versions and kept events are written, not published
        (quarantine_tokens, "_merge"),  # the history is published, the quarantine not begun
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, stop)
            with pytest.raises(Stopped):
                rotate_keys("readings", rewrite=True)
        assert clear(place.table(CONTRACT_TABLE), ring.decryption_keys(CONTRACT_TABLE)) == NAMES
        assert rest(place) == before
        (pending,) = [each for each in encryption_keys(place) if each.rewrite_pending]
    assert len(encryption_keys(place)) == 2
    assert marks(place) == {key_mark(pending.id)}

    outcome = rotate_keys("readings", rewrite=True)

    assert outcome.key.id == pending.id != first.id
    assert (outcome.versions, outcome.kept_events, outcome.quarantined) == (0, 0, 2)
    assert refused_names(place, {pending.id: ring.data_key(pending.id)}) == [CANARY, CANARY]
    again = rotate_keys("readings", rewrite=True)
    assert again.key.id not in (pending.id, first.id)
    assert (again.versions, again.quarantined) == (5, 2)


def content(place):
    """Every row of the history and of the quarantine, in an order of their own."""
    history = place.table(CONTRACT_TABLE).orderBy("surrogate_key").collect()
    return history, place.table("governance.quarantine").orderBy("record_key").collect()


def test_what_does_not_mean_the_same_is_not_published(shared, monkeypatch):
    place, before = shared, content(shared)
    good = rotate_table_key.reencrypted

    def first_name_for_all(tokens, how, *, column):
        again = good(tokens, how, column=column)
        return F.first(again, ignorenulls=True).over(Window.partitionBy(F.lit(1)))

    monkeypatch.setattr(rotate_table_key, "reencrypted", first_name_for_all)
    with pytest.raises(AuditError, match="mean the same"):
        rotate_keys("readings", rewrite=True)

    assert content(place) == before
    refs = place.table(f"{CONTRACT_TABLE}.refs").collect()
    assert [row.name for row in refs] == ["main"]


def test_a_lost_key_or_a_load_that_runs_changes_nothing(shared):
    place, ring, before = shared, ring_of(shared), content(shared)
    target = f"{place.settings.lakehouse.catalog}.{CONTRACT_TABLE}"
    text = ring.path.read_text()
    with (
        table_lock(place.settings.state_directory, target, run_id="other"),
        pytest.raises(TableBusyError),
    ):
        rotate_keys("readings", rewrite=True)
    assert ring.path.read_text() == text

    ring.rotate(CONTRACT_TABLE, at=datetime.now(UTC))
    document = json.loads(ring.path.read_text())
    for each in encryption_keys(place):
        if each.state is KeyState.RETIRED:
            del document["keys"][each.id]
    ring.path.write_text(json.dumps(document))
    with pytest.raises(KeyUnavailableError, match="no key with the mark"):
        rotate_keys("readings", rewrite=True)
    assert content(place) == before
    ring.path.unlink()
    with pytest.raises(KeyUnavailableError, match="Restore"):
        rotate_keys("readings")
    ring.path.write_text(text)


@pytest.mark.nightly
def test_values_of_a_destroyed_key_stay_as_they_are(loaded):
    place, ring = loaded, ring_of(loaded)
    (first,) = encryption_keys(place)
    ring.rotate(CONTRACT_TABLE, at=datetime.now(UTC))
    place.update((6, "South", "Di Webb", "60.00", "IN", "2024-01-04 10:00", None))
    load_table("readings")
    ring.destroy(first.id, reason="drill", at=datetime.now(UTC))

    outcome = rotate_keys("readings", rewrite=True)

    assert outcome.versions == 1
    assert marks(place) == {key_mark(first.id), key_mark(outcome.key.id)}
