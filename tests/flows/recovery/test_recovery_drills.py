"""Each drill destroys a thing for good, and brings it back by the commands of docs/recovery.md."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import pytest

from contracts.errors import RestoreRefusedError
from flows.load_table import load_table
from strandline.command_line import main
from tests.flows.readings import AFTER_BOTH, versions
from tests.flows.recovery.recovery_places import (
    FOURTH,
    THIRD,
    drop_catalog_database,
    loaded_twice,
    new_process,
    opened_by_another_load,
    pointer,
    whole_history,
    with_backups,
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


def test_warehouse_moved(place, drill):
    before = whole_history(place)

    old, new = place.root / "warehouse", place.root / "elsewhere"
    shutil.move(old, new)
    assert main(["restore", *WHY]) != 0
    with drill.recovering():
        old.symlink_to(new)
        assert main(["restore", *WHY]) == 0

    assert whole_history(place) == before
    assert opened_by_another_load(place, THIRD) == 1
