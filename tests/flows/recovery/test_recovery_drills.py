"""Each drill destroys a thing for good, and brings it back by the commands of docs/recovery.md."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.lookup import block_lookup
from contracts.alerts import event_names
from contracts.errors import (
    BackupDamagedError,
    NotFoundError,
    RestoreRefusedError,
    SettingsError,
)
from flows.load_table import load_table
from flows.recovery.back_up import back_up
from strandline.command_line import main
from tasks.recovery.backup_store import BackupStore
from tasks.recovery.make_backup import backup_target, make_backup
from tasks.recovery.newest_backup import newest_backup
from tests.flows.loaded_readings import loaded_twice
from tests.flows.readings import AFTER_BOTH, versions
from tests.flows.recovery.recovery_places import (
    FOURTH,
    THIRD,
    drop_catalog_database,
    new_process,
    opened_by_another_load,
    pointer,
    whole_history,
    with_backups,
    with_settings,
)

WHY = ("--reason", "drill")


@pytest.fixture
def place(make_workplace, contracts):
    """Readings, loaded twice and backed up, and nobody else's."""
    made = make_workplace(contracts)
    with_backups(made)
    loaded_twice(made)
    assert main(["backup"]) == 0
    return made


def test_lost_catalog_database(place, drill, capsys):
    # A load after the backup: the catalog follows the warehouse beyond the backup.
    assert opened_by_another_load(place, THIRD) == 1
    before = whole_history(place)

    drop_catalog_database(place)
    new_process(place)
    capsys.readouterr()
    with drill.recovering():
        assert main(["restore", *WHY, "--json"]) == 0

    done = json.loads(capsys.readouterr().out)
    steps = {each["table"]: each for each in done["tables"]}
    assert steps["clinic.patients"]["state"] == "registered"
    assert steps["clinic.patients"]["commits_since_backup"] > 0
    assert whole_history(place) == before
    assert main(["audit", "verify"]) == 0
    assert not load_table("readings").report.published
    assert opened_by_another_load(place, FOURTH) == 1


def test_lost_newest_table_metadata(place, drill):
    published = datetime.now(UTC)
    assert opened_by_another_load(place, THIRD) == 1
    before = whole_history(place)

    pointer(place).unlink()
    with drill.recovering():
        assert main(["restore", "--table", "clinic.patients", *WHY]) == 0
        # The load whose last commit was in that file is loaded again, since its watermark is too.
        load_table("readings")

    drill.lost_seconds = (datetime.now(UTC) - published).total_seconds()
    told = [(row[0], row[1]) for row in versions(place)]
    assert sorted(told) == sorted([*((row[0], row[1]) for row in AFTER_BOTH), (6, "SOUTH")])
    assert len(whole_history(place)["clinic.patients"]) == len(before["clinic.patients"])
    assert opened_by_another_load(place, FOURTH) == 1


@pytest.mark.nightly
def test_lost_metadata_that_the_backup_has(place, drill):
    before = whole_history(place)

    lost = pointer(place)
    octets = lost.read_bytes()
    lost.unlink()
    with drill.recovering():
        assert main(["restore", "--table", "clinic.patients", *WHY]) == 0

    assert lost.read_bytes() == octets
    assert whole_history(place) == before
    assert opened_by_another_load(place, THIRD) == 1


def test_lost_key_ring_file(place, drill):
    ring = place.settings.key_ring
    before, keys = whole_history(place), ring.decryption_keys("clinic.patients")
    active = ring.keys_for("clinic.patients", create=False)

    ring.path.unlink()
    with drill.recovering():
        assert main(["restore", "--only", "key-ring", *WHY]) == 0

    assert ring.decryption_keys("clinic.patients") == keys
    assert ring.keys_for("clinic.patients", create=False) == active
    assert ring.path.stat().st_mode & 0o777 == 0o600
    assert whole_history(place) == before
    # Readings that are known are recognised by their fingerprints, with the key that came back.
    assert not load_table("readings").report.published
    assert opened_by_another_load(place, THIRD) == 1
    # How often a key was used since the backup is not known: the load has made a new one.
    assert len(ring.decryption_keys("clinic.patients")) == len(keys) + 1


def test_bad_release_published(place, drill):
    before = whole_history(place)["clinic.patients"]
    place.update((1, "Nowhere", "wrong", "1.50", "IN", "2024-01-01 08:00", "2024-01-06 08:00"))
    bad = load_table("readings")
    assert bad.report.opened == 1

    with drill.recovering():
        assert (
            main(["undo", "readings", "--batch", bad.batch_id, *WHY, "--by", "ada", "--yes"]) == 0
        )

    place.update((1, "East", "Zephyrine Quillfeather", "72.00", "IN", "2024-01-01 08:00",
                  "2024-01-03 08:00"))  # fmt: skip
    assert [row[:2] for row in versions(place)] == [row[:2] for row in AFTER_BOTH]
    assert len(whole_history(place)["clinic.patients"]) == len(before)
    assert opened_by_another_load(place, THIRD) == 1


@pytest.mark.nightly
def test_bad_release_rolled_back_to_a_backup(place, drill):
    before = whole_history(place)["clinic.patients"]
    place.update((1, "Nowhere", "wrong", "1.50", "IN", "2024-01-01 08:00", "2024-01-06 08:00"))
    assert load_table("readings").report.opened == 1
    back = ["restore", "--table", "clinic.patients", "--as-backed-up", *WHY]
    assert main(back) == RestoreRefusedError.exit_code

    with drill.recovering():
        assert main([*back, "--force"]) == 0

    assert whole_history(place)["clinic.patients"] == before
    place.execute("DELETE FROM clinic.readings WHERE ward = 'Nowhere'")
    assert opened_by_another_load(place, THIRD) == 1


def test_table_dropped_by_mistake(place, drill):
    before = whole_history(place)

    spark = new_process(place)
    catalog = place.settings.lakehouse.catalog
    spark.sql(f"DROP TABLE {catalog}.clinic.patients")
    spark.sql(f"DROP TABLE {catalog}.clinic.patients__kept_events")
    spark.sql(f"DROP VIEW {catalog}.clinic.patients_current")
    with drill.recovering():
        assert main(["restore", "--table", "clinic.patients", "clinic.patients_current", *WHY]) == 0

    assert whole_history(place) == before
    assert opened_by_another_load(place, THIRD) == 1


@pytest.mark.nightly
def test_warehouse_moved_and_linked_at_its_old_address(place, drill):
    before = whole_history(place)

    old, new = place.root / "warehouse", place.root / "elsewhere"
    shutil.move(old, new)
    assert main(["restore", *WHY]) == RestoreRefusedError.exit_code
    assert not old.exists()
    with drill.recovering():
        old.symlink_to(new)
        assert main(["restore", *WHY]) == 0

    assert whole_history(place) == before
    assert opened_by_another_load(place, THIRD) == 1


@pytest.mark.parametrize("catalog_is_lost", [pytest.param(False, marks=pytest.mark.nightly), True])
def test_warehouse_moved_to_a_new_address(place, drill, catalog_is_lost):
    assert opened_by_another_load(place, THIRD) == 1
    before = whole_history(place)

    old, new = place.root / "warehouse", place.root / "elsewhere"
    shutil.move(old, new)
    lakehouse = place.settings.lakehouse.model_copy(update={"warehouse": str(new)})
    place = replace(
        place,
        settings=with_settings(place, lakehouse=lakehouse, backups=block_lookup.settings().backups),
    )
    if catalog_is_lost:
        drop_catalog_database(place)
    new_process(place)
    assert main(["restore", *WHY]) == NotFoundError.exit_code
    with drill.recovering():
        assert main(["restore", "--moved-from", str(old), *WHY]) == 0

    assert whole_history(place) == before
    assert main(["audit", "verify"]) == 0
    assert main(["restore", "--moved-from", str(old), *WHY]) == 0
    assert not load_table("readings").report.published
    assert opened_by_another_load(place, FOURTH) == 1
    assert not old.exists()
    assert main(["backup"]) == 0


def test_what_does_not_belong_is_refused_and_missing_files_are_named(place, tmp_path, capsys):
    before = whole_history(place)
    store = BackupStore.of(backup_target(block_lookup.settings()))
    (backup_id,) = store.ids()

    # Another lakehouse's: the same place, under another catalog.
    manifest = store.manifest(backup_id)
    store.add(replace(manifest, id="20990101T000000Z-00000000", catalog="other"))
    assert main(["restore", "20990101T000000Z-00000000", *WHY]) == RestoreRefusedError.exit_code
    assert "catalog other" in " ".join(capsys.readouterr().err.split())
    assert main(["restore", "--table", "clinic.nurses", *WHY]) == NotFoundError.exit_code
    assert main(["restore", "--place", str(tmp_path), *WHY]) == NotFoundError.exit_code
    assert main(["restore", "--reason", " "]) != 0

    # A data file is gone from the warehouse: the table is not pointed to it.
    spark, catalog = new_process(place), place.settings.lakehouse.catalog
    lost = spark.table(f"{catalog}.clinic.patients.files").first().file_path
    path = Path("/" + lost.removeprefix("file:").lstrip("/"))
    aside = path.rename(path.with_suffix(".aside"))
    spark.sql(f"DROP TABLE {catalog}.clinic.patients")
    capsys.readouterr()
    assert main(["restore", "--table", "clinic.patients", *WHY]) == BackupDamagedError.exit_code
    assert path.name in "".join(capsys.readouterr().err.split()).replace("│", "")
    assert not new_process(place).catalog.tableExists(f"{catalog}.clinic.patients")
    aside.rename(path)
    assert main(["restore", "--table", "clinic.patients", "--dry-run", *WHY]) == 0
    assert not new_process(place).catalog.tableExists(f"{catalog}.clinic.patients")

    # What takes the name meanwhile is another table.
    spark = new_process(place)
    spark.range(1).writeTo(f"{catalog}.clinic.patients").using("iceberg").create()
    back = ["restore", "--table", "clinic.patients", *WHY]
    assert main(back) == RestoreRefusedError.exit_code
    assert main([*back, "--force"]) == 0
    assert whole_history(place) == before
    log = new_process(place).table(f"{catalog}.governance.audit_log")
    assert log.where("action = 'restore'").count() == 3
    assert log.where("action = 'back up'").count() == 1


@pytest.mark.nightly
def test_backups_beside_running_loads_lead_to_one_published_state(place):
    later = ("North", "Ed Vane", "70.00", "IN")
    rows = [(10 + day, *later, f"2024-02-0{day} 10:00", None) for day in (1, 2)]
    with ThreadPoolExecutor(1) as worker:
        loading = worker.submit(lambda: [opened_by_another_load(place, row) for row in rows])
        made = []
        while not loading.done() or not made:
            made.append(make_backup(block_lookup.settings()))
    assert loading.result() == [1, 1]
    after = whole_history(place)["clinic.patients"]

    drop_catalog_database(place)
    new_process(place)
    assert main(["restore", made[0].manifest.id, *WHY]) == 0

    assert whole_history(place)["clinic.patients"] == after
    for each in made:
        assert BackupStore.of(backup_target(block_lookup.settings())).verify(each.manifest) > 0


def test_the_flow_the_list_and_the_status_tell_of_the_newest_backup(place, capsys, told):
    report = back_up()
    assert [each.event for each in told() if "backup" in each.event] == [event_names.BACKUP_MADE]

    capsys.readouterr()
    assert main(["backup", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["backups"]
    assert listed[0]["backup"] == report.manifest.id
    assert len(listed) == 2
    assert "clinic.patients" in listed[0]["tables"]
    assert main(["backup", "verify"]) == 0
    assert report.manifest.id in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backup"]["state"] == "in time"
    state = newest_backup(block_lookup.settings(), now=datetime.now(UTC) + timedelta(hours=2))
    assert state.state == "too old"

    # No clear key is in any file of the backups.
    ring = place.settings.key_ring
    clear = [key.material for key in ring.decryption_keys("clinic.patients").values()]
    clear += [base64.b64encode(each) for each in clear] + [each.hex().encode() for each in clear]
    wrapping = place.settings.key_ring.key_encryption_key.get_secret_value().encode()
    for path in (place.root / "backups").rglob("*.*"):
        octets = path.read_bytes()
        content = gzip.decompress(octets) if path.suffix == ".gz" else octets
        assert not any(each in content for each in [*clear, wrapping])

    with_settings(place, backups=None)
    assert main(["backup"]) == SettingsError.exit_code
    assert newest_backup(block_lookup.settings(), now=datetime.now(UTC)).state == "not configured"
