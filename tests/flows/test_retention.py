"""The retention drill: records that ended long ago say nothing of anybody, and do not come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from contracts.errors import KeyUnavailableError, NotFoundError, TableBusyError
from flows.apply_retention import RetentionFailedError, apply_retention
from flows.load_table import load_table
from history.iceberg.current_snapshot import current_state
from history.upkeep import replace_records as engine
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tasks.retention.retain_table import retain_table
from tests.flows.readings import CANARY, CONTRACT, TABLE

PATIENTS, KEPT, QUARANTINE = (
    "clinic.patients",
    "clinic.patients__kept_events",
    "governance.quarantine",
)

ADA, BO = "Ada Pell", "Bo Finch"
FIRST = (
    (1, "North", CANARY, "71.50", "IN", "2024-01-01 08:00", None),
    (2, "North", ADA, "64.00", "IN", "2024-01-01 09:00", None),
    (3, "South", BO, "80.25", "IN", "2024-01-02 10:00", None),
    (2, "South", ADA, "0.10", "IN", "2024-01-02 12:00", None),
)
SECOND = (
    (2, "West", ADA, "64.00", "IN", "2024-01-01 09:00", "2024-01-02 16:00"),
    (3, "South", BO, "80.25", "OUT", "2024-01-02 10:00", "2024-01-03 09:00"),
)
THIRD = ((2, "West", ADA, "64.00", "OUT", "2024-01-01 09:00", "2024-01-03 08:30"),)


class Stopped(BaseException):
    """The process ends here."""


def contracts_with(folder, privacy, **source):
    """The contract of readings, with a retention of 30 days."""
    document = yaml.safe_load(CONTRACT.read_text())
    document["slaProperties"].append({"property": "retention", "value": 30, "unit": "d"})
    (own,) = [each for each in document["customProperties"] if each["property"] == "strandline"]
    own["value"]["privacy"] = privacy
    own["value"]["source"] |= source
    columns = (*document["schema"][0]["properties"], *own["value"]["source"]["columns"])
    for each in columns:
        # What is emptied afterwards may not be null when it is loaded.
        if each["name"] == "name":
            each["required"] = True
    (name,) = [each for each in document["schema"][0]["properties"] if each["name"] == "name"]
    name["customProperties"][0]["value"]["transformation"] = {"name": "direct"}
    (folder / "readings.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return document, folder / "readings.yaml"


def content(place, name=PATIENTS):
    rows = place.table(name)
    if name == KEPT:
        snapshot = state_of(place).kept_snapshot
        table = f"{place.settings.lakehouse.catalog}.{KEPT}"
        rows = place.spark.read.option("versionAsOf", snapshot).table(table)
    order = ("surrogate_key", "patient", "changed_at", "row_digest")
    order = [each for each in order if each in rows.columns]
    return [row.asDict() for row in rows.orderBy(*order).collect()]


def state_of(place):
    return current_state(place.spark, f"{place.settings.lakehouse.catalog}.{PATIENTS}")


def told(rows):
    return [
        (row["ward"], row["weight"], str(row["valid_from"]), str(row["valid_to"])) for row in rows
    ]


def reload_in_full():
    return load_table("readings", full=True)


def audited(place):
    log = place.table("governance.audit_log").where("action = 'apply retention'")
    return [row.counts for row in log.orderBy("sequence").collect()]


@pytest.mark.nightly
def test_the_drill(  # noqa: PLR0915 - one story, on one lake
    make_workplace, tmp_path, monkeypatch, capsys
):
    contracts_with(tmp_path, {"retention": {"action": "anonymise"}})
    place = make_workplace(tmp_path)
    place.execute(TABLE)
    for batch in (FIRST, SECOND, THIRD):
        place.update(*batch)
        load_table("readings")
    why = ("--reason", "letter", "--matter", "case 12")
    assert main(["hold", "place", "readings", "--subject", "3", *why, "--json"]) == 0
    quarantine = f"{place.settings.lakehouse.catalog}.{QUARANTINE}"
    place.spark.sql(f"UPDATE {quarantine} SET refused_at = TIMESTAMP '2024-02-01 00:00:00'")  # noqa: S608
    before, kept_before, refused = content(place), content(place, KEPT), content(place, QUARANTINE)
    assert len(refused) == 1

    # Asked only, or stopped before it is published: nothing has changed.
    (found,) = apply_retention(None, "default", dry_run=True)
    assert (found.counts["records"], found.counts["held"]) == (1, 1)
    assert found.beside_is_held
    with monkeypatch.context() as patch:

        def stop(*_args, **_kwargs):
            raise Stopped

        patch.setattr(engine.branches, "fast_forward", stop)
        with pytest.raises(Stopped):
            apply_retention(["readings"])
    assert content(place) == before
    assert [row.name for row in place.table(f"{PATIENTS}.refs").collect()] == ["main"]
    target = f"{place.settings.lakehouse.catalog}.{PATIENTS}"
    with (
        table_lock(place.settings.state_directory, target, run_id="other"),
        pytest.raises(RetentionFailedError) as busy,
    ):
        apply_retention(["readings"])
    assert isinstance(busy.value.outcomes[0].error, TableBusyError)
    assert busy.value.exit_code == 75

    (done,) = apply_retention(["readings"])

    assert (done.state, done.counts["records"], done.counts["versions"]) == ("applied", 1, 2)
    after, kept_after = content(place), content(place, KEPT)
    old = [row for row in before if row["patient"] == 2]
    new = [row for row in after if row["patient"] < 0]
    assert [row for row in after if row not in new] == [r for r in before if r["patient"] != 2]
    assert told(new) == told(old)
    assert {row["patient"] for row in new} == {-1}
    assert {row["name"] for row in new} == {None}
    fingerprints = {row["checksum"] for row in new}
    assert len(fingerprints) == 2
    assert not fingerprints & {row["checksum"] for row in before}
    assert [row for row in kept_before if row["patient"] == 2]
    assert not [row for row in kept_after if row["patient"] == 2]
    assert len(kept_after) == len(kept_before)
    assert not [row for row in kept_after if row["patient"] < 0 and row["name"] is not None]
    assert place.snapshots(PATIENTS) == 1
    # The kept events' first snapshot, without rows, is where their main branch stays.
    assert place.snapshots(KEPT) == 2
    assert content(place, QUARANTINE) == refused
    listed = place.table("governance.retired_records").collect()
    assert len({row.record_digest for row in listed}) == 2

    # A second run finds nothing, and no load, release or rebuild brings anything back.
    (again,) = apply_retention(["readings"])
    assert (again.state, again.snapshot_id) == ("nothing to do", None)
    load = reload_in_full()
    assert load.staged.erased == 1
    assert content(place) == after
    assert content(place, KEPT) == kept_after
    decision = ("readings", "--all", "--reason", "typo")
    assert main(["quarantine", "fix", *decision, "--set", "weight=60"]) == 0
    assert main(["quarantine", "release", *decision]) == 65
    assert content(place) == after
    assert main(["rebuild", "readings", "--all", "--yes", "--json"]) == 0
    capsys.readouterr()
    assert content(place) == after

    # Who comes back is a new record.
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d 08:00:00}"
    place.update((2, "East", ADA, "64.00", "IN", "2024-01-01 09:00", yesterday))
    load_table("readings")
    (back,) = [row for row in content(place) if row["patient"] == 2]
    assert (back["ward"], str(back["valid_from"]), back["is_current"]) == ("EAST", yesterday, True)

    # The hold has ended: its person's record goes too, and what lay beside.
    assert main(["hold", "release", "readings", "--subject", "3", *why[:2], "--json"]) == 0
    capsys.readouterr()
    assert main(["retention", "readings"]) == 0
    shown = capsys.readouterr().out
    assert "anonymise after 30 days from record_end" in shown
    assert "next: strandline retention readings --apply" in shown
    assert main(["retention", "readings", "--apply"]) == 0
    assert {row["patient"] for row in content(place) if row["name"] is None} == {-1, -2}
    assert {row["patient"] for row in content(place)} == {1, 2, -1, -2}
    assert not [row for row in content(place, QUARANTINE) if row["refused_at"].year == 2024]
    assert [(each["records"], each["refused_rows"]) for each in audited(place)] == [
        (1, 0), (1, 0), (1, 1)
    ]  # fmt: skip


def test_events_are_deleted_when_they_were_loaded_long_ago_and_stay_away(make_workplace, tmp_path):
    privacy = {"retention": {"action": "delete", "from": "load"}}
    document, path = contracts_with(tmp_path, privacy, kind="events")
    (patient,) = [each for each in document["schema"][0]["properties"] if each["name"] == "patient"]
    patient["customProperties"][0]["value"]["protection"] = {"kind": "pseudonymise"}
    patient["classification"] = "CONFIDENTIAL"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    place = make_workplace(tmp_path)
    place.execute(TABLE)
    now = datetime.now(UTC)

    def retain(days):
        at = now + timedelta(days=days)
        return retain_table.fn("readings", "default", run_id=f"r{days}", now=at, dry_run=False)

    assert isinstance(retain(31).error, NotFoundError)
    place.update(*FIRST[:3], *THIRD)
    load_table("readings")
    before = content(place)
    assert len(before) == 3

    early = retain(29)
    assert (early.state, early.counts["due_in_30_days"]) == ("nothing to do", 3)
    keys = place.settings.key_ring.path
    keys.rename(tmp_path / "elsewhere")
    assert isinstance(retain(31).error, KeyUnavailableError)
    assert content(place) == before
    (tmp_path / "elsewhere").rename(keys)
    done = retain(31)

    assert done.error is None
    assert (done.counts["records"], done.counts["versions"]) == (3, 3)
    assert content(place) == content(place, KEPT) == []
    place.update((1, "East", CANARY, "72.00", "IN", "2024-01-01 08:00", "2024-01-03 08:00"))
    assert reload_in_full().staged.erased == 4
    assert content(place) == content(place, KEPT) == []
