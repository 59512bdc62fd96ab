"""Persons under legal hold are found in rows however these are stored, and erasure is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from contracts.errors import KeyUnavailableError, LegalHoldError, NotFoundError, TableBusyError
from tasks.erasure.data_subjects import data_subjects
from tasks.erasure.legal_holds import (
    HoldRequest,
    active_holds,
    place_hold,
    refuse_held,
    release_holds,
    with_held,
)
from tasks.lifecycle.table_lock import table_lock
from tests.strandline.lakes import run_settings_in
from tests.tasks.erasure.persons import AT, STORED, patients_by_name, store

NAMES = ("Ada Pell", "Bo Finch", "Cy Rook")


@pytest.fixture(scope="module")
def place(spark, postgres, tmp_path_factory):
    settings = run_settings_in(tmp_path_factory.mktemp("holds"), postgres, "legal_holds")
    return settings, settings.spark.session(settings.lakehouse, shared=False)


def holds_of(session, settings, table):
    found = active_holds(session, settings, table)
    return [] if found is None else found.collect()


def patients(number):
    return {
        "surrogate_key": number,
        "patient": number,
        "ward": "NORTH",
        "name": NAMES[number - 1],
        "weight": Decimal("60.00"),
        "changed_at": AT.replace(tzinfo=None),
        "valid_from": AT,
        "is_current": True,
        "recorded_at": AT,
    } | {"changed_at": AT}


def request(number, by="ada"):
    return HoldRequest(by, "litigation", AT, f"{number:08d}-0000")


def named(session, settings, contract, *names):
    return data_subjects(session, settings, contract, [{"name": name} for name in names])


@pytest.mark.parametrize("how", STORED)
def test_a_hold_is_found_again_in_rows_and_persons_and_ends_when_it_is_released(place, how):
    settings, session = place
    contract = patients_by_name(how)
    table = store(session, settings, contract, map(patients, (1, 2, 3)))
    rows = session.table(table)

    def held():
        found = with_held(session, settings, contract, rows, "held").where(F.col("held"))
        assert set(found.columns) == {*rows.columns, "held"}
        return sorted(row.patient for row in found.collect())

    assert held() == []
    assert holds_of(session, settings, table) == []
    refuse_held(session, table, named(session, settings, contract, *NAMES))

    both = named(session, settings, contract, "Ada Pell", "Nobody Yet")
    placed = place_hold(session, both, request(1), matter="case 12")
    place_hold(session, named(session, settings, contract, "Ada Pell"), request(2), matter="tax")

    assert (placed.persons, placed.in_table) == (2, 1)
    assert held() == [1]
    assert len({row.subject_digest for row in holds_of(session, settings, table)}) == 2
    with pytest.raises(LegalHoldError, match="1 of 3 under hold: HOLD_20260301_120000_00000001, "):
        refuse_held(session, table, named(session, settings, contract, *NAMES))
    refuse_held(session, table, named(session, settings, contract, "Bo Finch"))

    released = release_holds(
        session, settings, contract, request(3), hold_id=placed.hold_id, subjects=None
    )
    assert (released.hold_ids, released.persons, released.still_held) == ((placed.hold_id,), 2, 1)
    assert held() == [1]
    ada = named(session, settings, contract, "Ada Pell")
    assert release_holds(session, settings, contract, request(4), subjects=ada).still_held == 0
    assert held() == []
    with pytest.raises(NotFoundError, match="none on these persons"):
        release_holds(session, settings, contract, request(5), subjects=ada)
    with pytest.raises(NotFoundError, match=placed.hold_id):
        release_holds(session, settings, contract, request(6), hold_id=placed.hold_id)

    ledger = session.table(f"{settings.lakehouse.catalog}.governance.legal_holds")
    kept = ledger.where(F.col("target_table") == table).orderBy("hold_id", "released_by")
    assert [(row.matter, row.released_reason) for row in kept.collect()] == [
        ("case 12", "litigation"), ("case 12", "litigation"), ("tax", "litigation")
    ]  # fmt: skip
    assert not any(name in str(kept.collect()) for name in NAMES)


def test_where_persons_were_named_otherwise_nothing_goes_on(place):
    settings, session = place
    contract = replace(patients_by_name("pseudonym"), table="patients_renamed")
    table = store(session, settings, contract, [patients(1)])
    ada = named(session, settings, contract, "Ada Pell")
    place_hold(session, ada, request(1), matter="case 12")

    clear = replace(patients_by_name("value"), table="patients_renamed")
    by_number = replace(contract, subject=("patient",))
    for other, subject in ((clear, {"name": "Bo Finch"}), (by_number, {"patient": "2"})):
        with pytest.raises(LegalHoldError, match="by name, stored as pseudonym"):
            with_held(session, settings, other, session.table(table), "held")
        with pytest.raises(LegalHoldError, match="Place the hold again"):
            refuse_held(session, table, data_subjects(session, settings, other, [subject]))


def test_no_hold_is_placed_while_a_run_holds_the_table_or_without_keys(place):
    settings, session = place
    contract = replace(patients_by_name("value"), table="patients_busy")
    with pytest.raises(KeyUnavailableError):
        named(session, settings, contract, "Ada Pell")
    table = store(session, settings, contract, [patients(1)])
    ada = named(session, settings, contract, "Ada Pell")
    with (
        table_lock(settings.state_directory, table, run_id="other"),
        pytest.raises(TableBusyError),
    ):
        place_hold(session, ada, request(1), matter="case 12")
    assert holds_of(session, settings, table) == []
