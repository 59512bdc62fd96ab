"""A batch that the gate keeps back: its rows stay, and a person may publish them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import resume_flow_run

from contracts.errors import CommitConflictError, NotFoundError, QualityGateError
from flows.decisions import approve_batch
from flows.decisions.publish_batch import publish_held_batch
from flows.load_table import load_table
from history.iceberg.current_snapshot import WATERMARK, current_state
from tasks.lifecycle.leftover_cleanup import clear_expired_stages
from tasks.run.quarantine_decision import Action, Decision
from tests.flows.readings import CANARY, CONTRACT, TABLE, versions
from tests.flows.state_contracts import write_contract


def decision(by="Ada"):
    return Decision(
        Action.PUBLISH_BATCH, by, "the weights are known to be wrong", datetime.now(UTC)
    )


def reading(patient, ward, weight, changed_at):
    return (patient, ward, CANARY, weight, "IN", "2024-01-01 00:00", changed_at)


FIRST = [reading(n, "North", "60.00", "2024-01-01 08:00") for n in range(8)]
SECOND = [
    reading(0, "South", "61.00", "2024-01-02 08:00"),
    reading(1, "South", "62.00", "2024-01-02 08:00"),
    reading(2, "South", "0.10", "2024-01-02 08:00"),
]
THIRD = [reading(n, "East", "63.00", "2024-01-02 09:00") for n in range(3, 8)] * 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")
    told = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    told["customProperties"][0]["value"]["quality"] = {"threshold": 0.9, "refused_percent": 10}
    (folder / "readings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def place(make_workplace, folder):
    """A table that was loaded once, and whose next batch is refused."""
    place = make_workplace(folder)
    place.execute(TABLE)
    place.update(*FIRST)
    load_table("readings")
    place.update(*SECOND)
    return place


def held(place):
    return place.table("governance.held_batches").orderBy("held_at").collect()


def state(place, name="clinic.patients"):
    return current_state(place.spark, f"{place.settings.lakehouse.catalog}.{name}")


def stages(place):
    catalog = place.settings.lakehouse.catalog
    return [row.tableName for row in place.spark.sql(f"SHOW TABLES IN {catalog}.stage").collect()]


def test_a_batch_below_the_gate_is_kept_and_published_by_a_person_as_it_was_judged(place):
    before = state(place)
    with pytest.raises(QualityGateError) as closed:
        load_table("readings")
    (batch,) = held(place)
    untouched = state(place)
    # The source has other rows by now; what was judged is what is published.
    place.execute("UPDATE clinic.readings SET ward = 'Gone' WHERE patient = 1")

    summary = publish_held_batch("readings", "default", batch.batch_id, decision())

    assert batch.batch_id in closed.value.next_step
    assert (untouched.snapshot_id, untouched.properties) == (before.snapshot_id, before.properties)
    assert batch.snapshot_id == before.snapshot_id
    assert (summary.batch_id, summary.report.opened) == (batch.batch_id, 2)
    assert [each[1] for each in versions(place) if each[0] == 1] == ["NORTH", "SOUTH"]
    assert [each[1] for each in versions(place) if each[0] == 2] == ["NORTH"]
    assert state(place).properties[WATERMARK] > before.properties[WATERMARK]
    (made,) = place.table("governance.quality_decisions").collect()
    assert (made.decided_by, made.action, made.decision_id) == (
        "Ada",
        "publish batch",
        batch.batch_id,
    )
    assert place.leftovers == []
    with pytest.raises(NotFoundError, match="published"):
        publish_held_batch("readings", "default", batch.batch_id, decision())


def test_a_batch_whose_rows_were_loaded_since_changes_nothing_and_says_so(place):
    place.update(*SECOND)
    place.execute("UPDATE clinic.readings SET changed_at = '2024-01-02 08:30' WHERE weight < 1")
    with pytest.raises(QualityGateError):
        load_table("readings")
    batch = held(place)[-1]
    kept = stages(place)
    place.execute("DELETE FROM clinic.readings")
    place.execute("INSERT INTO clinic.readings VALUES (%s, %s, %s, %s, %s, %s, %s)", *SECOND)
    place.execute("INSERT INTO clinic.readings VALUES (%s, %s, %s, %s, %s, %s, %s)", *THIRD)
    load_table("readings")
    after = state(place)

    summary = publish_held_batch("readings", "default", batch.batch_id, decision())

    assert kept == stages(place) or stages(place) == []
    assert len(kept) == 1
    assert not summary.report.published
    assert state(place).properties == after.properties


def test_a_stage_whose_time_is_up_is_removed(place):
    place.update(*[reading(n, "West", "0.10", "2024-01-04 08:00") for n in range(5)])
    with pytest.raises(QualityGateError):
        load_table("readings")
    kept, batch = stages(place), held(place)[-1]
    target = f"{place.settings.lakehouse.catalog}.clinic.patients"
    arguments = (place.spark, place.settings, "readings", target)
    day = timedelta(days=1)
    until = batch.held_until.replace(tzinfo=UTC)

    early = clear_expired_stages(*arguments, now=until - day)
    late = clear_expired_stages(*arguments, now=until + day)

    assert (len(kept), early, late, stages(place)) == (1, 0, 1, [])
    with pytest.raises(NotFoundError, match="removed"):
        publish_held_batch("readings", "default", batch.batch_id, decision())


def answered(answer):
    """Answer the next run that waits, as a person does on its page."""

    paused = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    )

    def wait():
        with get_client(sync_client=True) as client:
            for _ in range(600):
                runs = client.read_flow_runs(flow_run_filter=paused)
                if runs:
                    resume_flow_run(runs[0].id, run_input=answer)
                    return
                time.sleep(0.2)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_run_waits_for_a_person_and_publishes_with_a_yes(place, monkeypatch):
    monkeypatch.setattr(approve_batch, "_POLL_SECONDS", 0.2)
    place.update(*[reading(n, "Attic", "60.00", "2024-01-05 08:00") for n in range(4)])
    place.update(*[reading(n, "Attic", "0.10", "2024-01-05 08:00") for n in range(4, 8)])

    person = answered({"name": "Grace", "reason": "checked by hand", "publish": True})
    summary = load_table("readings", approval_minutes=5)
    person.join()

    assert (summary.batch_id, summary.report.opened) == (held(place)[-1].batch_id, 4)
    made = place.table("governance.quality_decisions").orderBy("decided_at").collect()[-1]
    assert (made.decided_by, made.reason) == ("Grace", "checked by hand")
    assert place.leftovers == []


def test_a_run_that_gets_a_no_fails_as_it_would_have_failed(place, monkeypatch):
    monkeypatch.setattr(approve_batch, "_POLL_SECONDS", 0.2)
    before = state(place)
    place.update(*[reading(n, "Cellar", "0.10", "2024-01-06 08:00") for n in range(4)])

    person = answered({"name": "Grace", "reason": "they are wrong", "publish": False})
    with pytest.raises(QualityGateError):
        load_table("readings", approval_minutes=5)
    person.join()

    assert state(place).snapshot_id == before.snapshot_id
    assert len(stages(place)) == 1
    batch = held(place)[-1]
    made = place.table("governance.quality_decisions").where("action = 'refuse batch'").collect()
    assert [(row.decided_by, row.reason, row.decision_id) for row in made] == [
        ("Grace", "they are wrong", batch.batch_id)
    ]
    recorded = place.table("governance.audit_log").where("action = 'refuse batch'").collect()
    assert [(row.actor, row.batch_id, row.counts["rows_refused_again"]) for row in recorded] == [
        ("Grace", batch.batch_id, batch.rows_refused)
    ]


def test_of_a_state_a_batch_is_not_published_once_a_later_read_was(make_workplace, tmp_path):
    columns = {"id": "INTEGER", "grade": "INTEGER", "updated_at": "TIMESTAMP"}
    write_contract(tmp_path, "parts", columns, {"load": "full"}, {"absent": "close"})
    path = tmp_path / "parts.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    check = {"rule": "between", "columns": ["grade"], "arguments": {"low": 0, "high": 9}}
    told["schema"][0]["quality"] = [
        {"id": "graded", "type": "custom", "engine": "strandline", "severity": "error",
         "implementation": check}
    ]  # fmt: skip
    told["customProperties"][0]["value"]["quality"] = {"threshold": 0.9}
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    place = make_workplace(tmp_path)
    place.execute("CREATE TABLE parts (id integer, grade integer, updated_at timestamp)")
    place.execute("INSERT INTO parts SELECT n, 1, '2024-01-01' FROM generate_series(1, 4) n")
    load_table("parts")
    place.execute(
        "UPDATE parts SET grade = 90 WHERE id = 1; UPDATE parts SET grade = 2 WHERE id = 2"
    )
    with pytest.raises(QualityGateError):
        load_table("parts")
    first = held(place)[-1].batch_id
    published = publish_held_batch("parts", "default", first, decision())
    place.execute("UPDATE parts SET grade = 3 WHERE id = 2")
    with pytest.raises(QualityGateError):
        load_table("parts")
    second = held(place)[-1].batch_id
    place.execute("UPDATE parts SET grade = 4")
    load_table("parts")

    assert published.report.opened == 1
    with pytest.raises(CommitConflictError, match="later read"):
        publish_held_batch("parts", "default", second, decision())
