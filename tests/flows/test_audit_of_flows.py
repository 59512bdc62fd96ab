"""Whatever flow changes a table, the audit log says who did it, once, and nothing of the rows."""

from __future__ import annotations

import ast
import base64
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import functions as F

import tasks.record_lineage_and_metrics as record_module
from contracts.errors import LakehouseUnavailableError, QualityGateError
from flows.decisions.publish_batch import publish_held_batch
from flows.decisions.release_rows import correct_rows, discard_rows, release_rows
from flows.load_table import load_table
from flows.rotate_keys import rotate_keys
from flows.upkeep import upkeep
from history.iceberg.snapshot_log import snapshot_log
from strandline.command_line import main
from tasks.auditing.verify_audit_log import verify_audit_log
from tasks.correct_or_discard import Correction
from tasks.observability.audit_log.audit_of_tables import settle_published
from tasks.run.quarantine_decision import Action, Decision, Selection
from tests.flows.readings import CANARY, CONTRACT, TABLE

ROOT = Path(__file__).parents[2]
REASON = "weighed again"


def reading(patient, ward, weight, changed_at):
    return (patient, ward, CANARY, weight, "IN", "2024-01-01 00:00", changed_at)


FIRST = [reading(n, "North", "60.00", "2024-01-01 08:00") for n in range(8)]
SECOND = [
    reading(0, "South", "61.00", "2024-01-02 08:00"),
    reading(1, "South", "62.00", "2024-01-02 08:00"),
    reading(2, "South", "0.10", "2024-01-02 08:00"),
    reading(3, "South", "0.20", "2024-01-02 08:00"),
]
THIRD = [reading(5, "West", "63.00", "2024-01-03 08:00")]
FOURTH = [reading(6, "East", "63.00", "2024-01-04 08:00")]


def decision(action):
    return Decision(action, "Ada", REASON, datetime.now(UTC))


def of_key(patient):
    return Selection(
        lambda _spark, _settings: F.col("record_key") == f'{{"patient":{patient}}}', "1 key"
    )


def write_contract(folder, version):
    told = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    told["version"] = version
    told["customProperties"][0]["value"]["quality"] = {"threshold": 0.9, "refused_percent": 10}
    (folder / "readings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")


class Walk:
    """A workplace in which every flow has run, and what the log said after each of them."""

    def __init__(self, place):
        self.place, self.steps = place, {}
        self.target = f"{place.settings.lakehouse.catalog}.clinic.patients"

    def records(self):
        return self.place.table("governance.audit_log").orderBy("sequence").collect()

    def step(self, name):
        before = [row for rows in self.steps.values() for row in rows]
        self.steps[name] = self.records()[len(before) :]

    def actions(self, name):
        return [row.action for row in self.steps[name]]


@pytest.fixture(scope="module")
def walk(make_workplace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    write_contract(folder, "1.0.0")
    place = make_workplace(folder)
    walk = Walk(place)
    place.execute(TABLE)
    place.update(*FIRST)
    load_table("readings")
    walk.step("load-table")
    load_table("readings")
    walk.step("nothing new")
    place.update(*SECOND)
    with pytest.raises(QualityGateError):
        load_table("readings")
    walk.step("gate closed")
    (held,) = place.table("governance.held_batches").collect()
    publish_held_batch("readings", "default", held.batch_id, decision(Action.PUBLISH_BATCH))
    walk.step("publish-batch")
    values = Correction({"weight": "64.00"})
    correct_rows("readings", "default", of_key(2), decision(Action.FIX), values)
    walk.step("correct-rows")
    release_rows("readings", "default", of_key(2), decision(Action.RELEASE))
    walk.step("release-rows")
    discard_rows("readings", "default", of_key(3), decision(Action.DISCARD))
    walk.step("discard-rows")
    write_contract(folder, "1.1.0")
    place.update(*THIRD)
    load_table("readings")
    walk.step("new version")
    place.update(*FOURTH)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(record_module, "record_published", unwritable)
        with pytest.raises(LakehouseUnavailableError):
            load_table("readings")
    walk.step("log not writable")
    load_table("readings")
    walk.step("next load")
    place.spark.sql(
        f"UPDATE {walk.target} SET is_current = false, valid_to = TIMESTAMP '2024-02-01 00:00:00' "  # noqa: S608
        "WHERE patient = 4"
    )
    assert main(["rebuild", "readings", "--all", "--yes"]) == 0
    walk.step("rebuild")
    upkeep()
    walk.step("upkeep")
    rotate_keys("readings")
    walk.step("rotate-keys")
    rotate_keys("readings", rewrite=True)
    walk.step("rewrite")
    return walk


def unwritable(*_arguments, **_named):
    raise LakehouseUnavailableError(
        where="audit log", expected="an answer", found="none", next_step="Later."
    )


@pytest.mark.nightly
def test_each_flow_writes_what_it_did_and_one_that_did_nothing_writes_nothing(walk):
    assert {name: walk.actions(name) for name in walk.steps} == {
        "load-table": ["change contract", "publish"],
        "nothing new": [],
        "gate closed": ["close gate"],
        "publish-batch": ["publish batch", "publish"],
        "correct-rows": ["fix"],
        "release-rows": ["release", "publish"],
        "discard-rows": ["discard"],
        "new version": ["change contract", "publish"],
        "log not writable": [],
        "next load": ["publish"],
        "rebuild": ["rebuild"],
        "upkeep": ["upkeep"],
        "rotate-keys": ["rotate key"],
        "rewrite": ["rotate key"],
    }


@pytest.mark.nightly
def test_every_published_batch_has_one_record_and_every_decision_too(walk):
    log = snapshot_log(walk.place.spark, walk.target)
    published = {each.batch for each in log.ancestry(log.head) if each.batch}
    recorded = Counter(
        row.batch_id for row in walk.records() if row.action in ("publish", "rebuild")
    )
    assert recorded == Counter(published)

    decisions = walk.place.table("governance.quality_decisions").collect()
    by_person = Counter(
        (row.decision_id, row.action) for row in decisions if "run" not in row.decided_by
    )
    told = Counter((row.batch_id, row.action) for row in walk.records() if row.actor == "Ada")
    assert told == by_person
    assert set(told.values()) == {1}


@pytest.mark.nightly
def test_a_record_says_who_what_why_and_how_much(walk):
    publish = walk.steps["load-table"][1]
    assert (publish.subject, publish.contract, publish.contract_version) == (
        walk.target,
        "readings",
        "1.0.0",
    )
    assert publish.actor
    assert publish.counts["rows_read"] == 8
    assert publish.counts["opened"] == 8
    assert publish.snapshot_id is not None
    ring = {each.id for each in walk.place.settings.key_ring.status()}
    for name in ("load-table", "publish-batch", "release-rows", "next load"):
        assert len(walk.steps[name][-1].key_ids) == 3
        assert {*walk.steps[name][-1].key_ids} <= ring
    assert walk.steps["gate closed"][0].key_ids == walk.steps["publish-batch"][1].key_ids
    release = walk.steps["release-rows"][0]
    assert (release.actor, release.reason) == ("Ada", REASON)
    assert release.counts["rows_selected"] == 1
    assert walk.steps["correct-rows"][0].details["columns"] == "weight"
    changed = walk.steps["new version"][0]
    assert changed.details == {"contract_before": "readings 1.0.0"}
    assert changed.contract_version == "1.1.0"


@pytest.mark.nightly
def test_a_batch_whose_record_could_not_be_written_gets_it_from_the_next_run(walk):
    (late,) = walk.steps["next load"]
    assert "afterwards" in late.reason
    assert late.counts["opened"] == 1
    assert late.contract_version == "1.1.0"


@pytest.mark.nightly
def test_what_another_writer_published_is_recorded_by_upkeep_before_it_expires(walk):
    place, spark = walk.place, walk.place.spark
    place.update(reading(7, "East", "63.00", "2024-01-05 08:00"))
    with pytest.MonkeyPatch.context() as unaware:
        unaware.setattr(record_module, "record_published", lambda *_a, **_n: None)
        load_table("readings")
    place.update(reading(7, "West", "63.00", "2024-01-06 08:00"))
    load_table("readings")
    before = len(walk.records())

    assert settle_published(spark, place.settings, walk.target, at=datetime.now(UTC)) == 1
    assert settle_published(spark, place.settings, walk.target, at=datetime.now(UTC)) == 0
    assert len(walk.records()) == before + 1


@pytest.mark.nightly
def test_a_rotation_is_recorded_with_the_new_key_and_what_it_encrypted(walk):
    (lazily,), (again,) = walk.steps["rotate-keys"], walk.steps["rewrite"]

    assert len(lazily.key_ids) == len(again.key_ids) == 1
    assert lazily.key_ids != again.key_ids
    assert lazily.counts == {"versions": 0, "kept_events": 0, "quarantined": 0}
    assert again.counts["versions"] > 0


@pytest.mark.nightly
def test_the_log_of_all_flows_is_verified(walk):
    assert verify_audit_log(walk.place.spark, walk.place.settings).findings == ()


@pytest.mark.nightly
def test_nothing_of_the_rows_is_in_any_file_of_the_log(walk):
    folder = next((walk.place.root / "warehouse").rglob("audit_log"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    for path in files:
        if path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist()).encode()

    assert REASON.encode() in content
    for each in (CANARY, *CANARY.split(), "64.00", "61.00"):
        for form in (
            each.encode(),
            each.encode("utf-16-le"),
            each.encode().hex().encode(),
            base64.b64encode(each.encode()).rstrip(b"=")[:-1],
        ):
            assert form not in content


WALKED = {
    *("load-table", "publish-batch", "correct-rows", "release-rows", "discard-rows", "upkeep"),
    "rotate-keys",
}
IN_THEIR_OWN_TESTS = {
    "erase-subjects": "test_erase.py",
    "lift-erasures": "test_erase.py",
    "apply-retention": "test_retention.py",
    "maintain": "maintenance/test_maintain.py",
    "back-up": "recovery/test_recovery_drills.py",
    "import-history": "imports/test_import_of_peers.py",
    **dict.fromkeys(
        ("start-release", "promote-release", "rollback-release", "release-table", "load-green"),
        "test_blue_green_release.py",
    ),
}
"""Flows whose records are looked at where they are tested."""
READ_ONLY = {"compare-release", "validate-release"}
"""Flows that change nothing themselves: what fails is rolled back by another one."""
BY_THE_SAME_STEPS = {"load-tables": "load", "verify-table": "publish_and_record"}
"""Flows that publish by a step of `flows.load_steps`, which records, and by which."""


def test_every_flow_is_walked_or_publishes_by_the_steps_of_a_load():
    steps_of = {}
    for path in (ROOT / "flows").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        steps = {
            alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module == "flows.load_steps"
            for alias in node.names
        }
        for node in nodes:
            for each in getattr(node, "decorator_list", ()):
                if isinstance(each, ast.Call) and getattr(each.func, "id", "") == "flow":
                    (name,) = [word.value.value for word in each.keywords if word.arg == "name"]
                    steps_of[name] = steps

    elsewhere = IN_THEIR_OWN_TESTS.keys() | READ_ONLY
    assert steps_of.keys() == WALKED | BY_THE_SAME_STEPS.keys() | elsewhere
    for name in {*IN_THEIR_OWN_TESTS.values()}:
        assert "governance.audit_log" in (Path(__file__).parent / name).read_text("utf-8")
    assert all(step in steps_of[name] for name, step in BY_THE_SAME_STEPS.items())
