"""Releases of a contract, from start to promotion and back, while readers look on."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.flow_runs import resume_flow_run

from contracts.errors import (
    AuditError,
    ContractError,
    NotFoundError,
    QualityGateError,
    SchemaDriftError,
    SettingsError,
    TableBusyError,
)
from flows.load_table import load_table
from flows.release import release_steps as steps
from flows.release import release_table
from history.release.release_record import ReleaseState, refuse_during_release
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tasks.release import promote_release as promotion
from tasks.release.begin_release import HISTORY, SOURCE, NewRelease
from tasks.release.release_place import Decided
from tests.flows.readings import CANARY, CONTRACT, FIRST, SECOND, TABLE

TARGET = "clinic.patients"
ADA = Decided("Ada", "a better ward")
NURSE = "patients__nurse"


def words(level, **more):
    return [{"property": "strandline", "value": {"level": level, **more}}]


def column(document, name):
    properties = document["schema"][0]["properties"]
    return next(each for each in properties if each["name"] == name)


@pytest.fixture
def clinic(make_workplace, tmp_path):
    """A loaded table whose contract has two roles; `candidate` writes a new version of it."""
    folder, other = tmp_path / "contracts", tmp_path / "next"
    folder.mkdir()
    other.mkdir()
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    document["roles"] = [
        {"role": "nurse", "access": "read", "customProperties": words("INTERNAL")},
        {"role": "clerk", "access": "read", "customProperties": words("PUBLIC", allow=["ward"])},
    ]
    current = folder / "readings.yaml"
    current.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    place = make_workplace(folder)
    place.execute(TABLE)
    place.update(*FIRST, *((n, "North", "Ada Pell", "60.00", "IN", "2024-01-01 07:00", None)
                           for n in range(10, 40)))  # fmt: skip
    load_table("readings")

    def candidate(change):
        new = yaml.safe_load(current.read_text(encoding="utf-8"))
        new["version"] = "2.0.0"
        change(new)
        path = other / "readings.yaml"
        path.write_text(yaml.safe_dump(new, sort_keys=False), encoding="utf-8")
        return path

    return SimpleNamespace(place=place, candidate=candidate, current=current)


def wards_as_they_are(document):
    options = column(document, "ward")["customProperties"][0]["value"]
    options["transformation"] = {"name": "trim"}


@flow
def start(path, seed):
    return steps.start_release("readings", "default", NewRelease(path, seed, ADA))


@flow
def compare():
    return steps.compare_release("readings", "default")


@flow
def promote():
    return steps.promote_release("readings", "default", ADA)


def shift(percent, *roles):
    return steps.shift_release("readings", "default", percent, roles, ADA)


def roll_back():
    return steps.roll_back_release("readings", "default", ADA)


def shown(place, view=NURSE):
    rows = place.table(f"clinic.{view}").select("patient", "ward", "valid_from").collect()
    return sorted((row.patient, str(row.valid_from), row.ward) for row in rows)


def actions(place):
    log = place.table("governance.audit_log").where("actor = 'Ada'").orderBy("sequence")
    return [row.action for row in log.collect()]


class Reader(threading.Thread):
    """Reads the view of a role all the while; `mixed` are reads with a key of both, or a gap."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.reads, self.mixed, self.failed = place, 0, [], []
        self.green = []
        self._over = threading.Event()
        self.keys = len({row[0] for row in shown(place)})

    def run(self):
        spark = self.place.settings.spark.session(self.place.settings.lakehouse, shared=False)
        name = f"{self.place.settings.lakehouse.catalog}.clinic.{NURSE}"
        while not self._over.is_set():
            try:
                rows = spark.sql(f"SELECT patient, ward FROM {name}").collect()  # noqa: S608
            except Exception as error:  # noqa: BLE001 - whatever a reader would see
                self.failed.append(repr(error)[:300])
                continue
            is_green = {row.patient: row.ward != row.ward.upper() for row in rows}
            mixed = any((row.ward != row.ward.upper()) != is_green[row.patient] for row in rows)
            if mixed or len(rows) != self.keys:
                self.mixed.append(len(rows))
            self.green.append(sum(is_green.values()))
            self.reads += 1

    def stop(self):
        self._over.set()
        self.join(60)


def test_readers_are_shifted_key_by_key_and_never_see_a_mixture(clinic):
    place = clinic.place
    blue = shown(place)
    release = start(clinic.candidate(wards_as_they_are), SOURCE)
    assert (release.failure, shown(place)) == ("", blue)
    with pytest.raises(SettingsError, match="not compared yet"):
        shift(10)
    found = compare()
    assert (found.rows.differing, dict(found.rows.columns)) == (
        len(blue), {"ward": len(blue), "checksum": len(blue)},
    )  # fmt: skip
    assert (found.green.rows_refused, found.blue.held, found.green.held) == (2, 2, 2)
    reader = Reader(place)
    reader.start()
    seen, shares = set(), {}
    for percent in (10, 50, 100, 0, 50):
        shift(percent)
        green = {row[0] for row in shown(place) if row[2] != row[2].upper()}
        assert shown(place, "patients_current") == shown(place)
        assert seen <= green or percent in (0, 50)
        seen, shares[percent] = green, len(green)
    assert shares[0] == 0 < shares[10] < shares[50] < shares[100] == len(blue)
    assert place.table("clinic.patients__clerk").columns == ["ward"]
    shift(100, "clerk")
    clerk = {row.ward for row in place.table("clinic.patients__clerk").collect()}
    assert clerk == {"North", "South"}

    promoted, written = promote()

    assert promoted.state is ReleaseState.PROMOTED
    assert written.changed == len(blue)
    green = shown(place)
    assert {row[2] for row in green} == {"North", "South"}
    steps.validate_published_release("readings", "default")
    with pytest.raises(SettingsError, match=r"version 2\.0\.0"):
        load_table("readings")

    back = roll_back()

    reader.stop()
    assert back.was_promoted
    assert shown(place) == blue
    assert (reader.mixed, reader.failed) == ([], [])
    assert {0, len(blue)} < {*reader.green}
    assert actions(place) == [
        "start release", *["shift readers"] * 6, "promote release",
        "change contract", "publish", "roll back release",
    ]  # fmt: skip
    names = {row.tableName for row in place.spark.sql(
        f"SHOW TABLES IN {place.settings.lakehouse.catalog}.clinic").collect()}  # fmt: skip
    assert names == {"patients"}
    views = place.spark.sql(f"SHOW VIEWS IN {place.settings.lakehouse.catalog}.clinic").collect()
    assert {row.viewName for row in views} == {"patients_current", NURSE, "patients__clerk"}
    quarantine = place.table("governance.quarantine")
    assert {row.target_table.rpartition(".")[2] for row in quarantine.collect()} == {"patients"}
    # The next load reads on from where blue was.
    place.update(*SECOND)
    load_table("readings")
    assert (1, "2024-01-03 08:00:00", "EAST") in shown(place)


def with_a_state(document):
    document["roles"][1]["customProperties"] = words("PUBLIC")
    document["schema"][0]["properties"].append(
        {
            "name": "state",
            "description": "Whether the patient is here.",
            "physicalType": "VARCHAR(10)",
            "logicalType": "string",
            "classification": "INTERNAL",
            "transformSourceObjects": ["readings.state"],
            "customProperties": words_of("direct"),
        }
    )


def words_of(transformation):
    value = {"transformation": {"name": transformation}}
    return [{"property": "strandline", "value": value}]


def test_what_can_not_be_released_is_refused_with_its_reason(clinic, capsys):
    place = clinic.place

    def typed(document):
        column(document, "weight")["physicalType"] = "VARCHAR(10)"
        column(document, "weight")["logicalType"] = "string"

    def protected_otherwise(document):
        value = column(document, "ward")["customProperties"][0]["value"]
        value["protection"] = {"kind": "mask", "keep": 1}

    def named_otherwise(document):
        document["schema"][0]["physicalName"] = "clinic.people"

    def ordered_otherwise(document):
        document["customProperties"][0]["value"]["history"]["tie_breaker"] = ["weight"]

    for change, seed, error, why in (
        (ordered_otherwise, SOURCE, SchemaDriftError, "tie_breaker"),
        (typed, SOURCE, SchemaDriftError, "weight"),
        (protected_otherwise, HISTORY, SchemaDriftError, "ward: it is protected by mask"),
        (named_otherwise, SOURCE, ContractError, r"clinic\.people"),
    ):
        with pytest.raises(error, match=why):
            start(clinic.candidate(change), seed)
    with pytest.raises(NotFoundError, match="release start"):
        shift(10)
    target = f"{place.settings.lakehouse.catalog}.{TARGET}"
    path = clinic.candidate(with_a_state)
    with (
        table_lock(place.settings.state_directory, target, run_id="a load"),
        pytest.raises(TableBusyError),
    ):
        start(path, HISTORY)
    told = ["--contract", str(clinic.candidate(typed)), "--reason", "a text", "--by", "Ada"]
    assert main(["release", "start", "readings", *told, "--from", "source"]) == 78
    assert "weight" in capsys.readouterr().err
    assert actions(place) == []


@pytest.mark.nightly
def test_a_copy_follows_loads_and_a_step_that_was_stopped_is_completed(clinic, monkeypatch, capsys):
    place = clinic.place
    target = f"{place.settings.lakehouse.catalog}.{TARGET}"
    before, path = shown(place), clinic.candidate(with_a_state)

    release = start(path, HISTORY)

    assert (release.failure, release.seed) == ("", HISTORY)
    with pytest.raises(TableBusyError, match="started by Ada"):
        start(path, HISTORY)
    with pytest.raises(SettingsError, match="a person is erased"):
        refuse_during_release(place.spark, target, "a person is erased")
    place.update(*SECOND)
    load_table("readings")
    # Both have the batch: green got it by its own contract, which has one column more.
    found = steps.compare_release("readings", "default", load=False)
    assert (found.rows.differences, found.rows.left_out) == (0, 0)
    assert found.rows.only_green_columns == ("state",)
    assert found.rows.not_compared == ("name",)
    assert CANARY not in str(found)
    shift(50)
    assert shown(place) != before
    loaded = shown(place)
    capsys.readouterr()
    assert main(["release", "compare", "readings", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["differing"] == 0
    assert main(["release", "status", "readings"]) == 0
    assert "50 % of the keys from green" in capsys.readouterr().out
    assert main(["release", "promote", "readings", "--reason", "asked by nobody"]) == 65

    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    for name in ("publish_promotion", "plain_views"):
        with monkeypatch.context() as patch:
            patch.setattr(promotion, name, stop)
            with pytest.raises(KeyboardInterrupt):
                promote()
        assert shown(place) == loaded

    promoted, written = promote()

    assert (promoted.state, written.head) == (ReleaseState.PROMOTED, None)
    assert shown(place) == loaded
    assert "state" in place.table(f"clinic.{NURSE}").columns
    clinic.current.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    place.update((6, "West", "Cy Rook", "55.00", "IN", "2024-01-05 10:00", None))
    load_table("readings")
    assert (6, "2024-01-05 10:00:00", "WEST") in shown(place)
    steps.validate_published_release("readings", "default")
    place.spark.sql(f"UPDATE {target} SET is_current = false WHERE patient = 6")  # noqa: S608
    with pytest.raises(AuditError, match="flag_agrees"):
        steps.validate_published_release("readings", "default")
    finish = ["release", "finish", "readings", "--reason", "done", "--by", "Ada"]
    assert main(finish) == 0
    with pytest.raises(NotFoundError):
        roll_back()
    assert actions(place)[-1] == "finish release"


def answered(*answers):
    """Answers the runs that wait, one after the other, as a person does on their pages."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))

    def wait():
        with get_client(sync_client=True) as client:
            for answer in answers:
                for _ in range(1_500):
                    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=state))
                    if runs:
                        resume_flow_run(runs[0].id, run_input=answer)
                        break
                    time.sleep(0.2)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.nightly
def test_a_flow_waits_for_consent_at_each_step_and_a_no_takes_all_of_it_back(clinic, monkeypatch):
    monkeypatch.setattr(release_table, "_POLL_SECONDS", 0.2)
    place = clinic.place
    before = shown(place)
    yes = {"name": "Grace", "reason": "as expected", "go_on": True}
    no = {"name": "Grace", "reason": "not on a Friday", "go_on": False}

    person = answered(yes, no)
    with pytest.raises(QualityGateError, match="a no of Grace"):
        release_table.release_table(
            "readings", clinic.candidate(with_a_state), "Ada", "a state", shares=[50]
        )
    person.join()

    log = place.table("governance.audit_log").where(
        "action LIKE '%release' OR action LIKE 'shift%'"
    )
    told = [(row.action, row.actor) for row in log.orderBy("sequence").collect()]
    assert told == [
        ("start release", "Ada"), ("shift readers", "Grace"), ("roll back release", "Grace"),
    ]  # fmt: skip
    assert shown(place) == before
    with get_client(sync_client=True) as client:
        pages = client.read_artifacts()
    assert any(page.key == "release-readings" and "only in blue" in page.data for page in pages)
    # Without a person it goes on where nothing differs.
    done = release_table.release_table(
        "readings", clinic.candidate(with_a_state), "Ada", "a state", approval_minutes=0
    )
    assert done.state is ReleaseState.PROMOTED
