"""When a record's retention is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from contracts.errors import ContractError
from contracts.loader import load_contract
from contracts.model import RetentionAction, RetentionRule, RetentionStart
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.retention.expired_records import due_records, rule_of
from tests.flows.readings import CONTRACT

TODAY = date(2026, 6, 30)
READINGS = load_contract(CONTRACT)


def contract_from(start, *, promised=False):
    rule = RetentionRule(RetentionAction.ANONYMISE, start)
    contract = replace(READINGS, retention=rule, retention_days=100)
    if promised:
        (score,) = [each for each in contract.columns if each.name == "score"]
        day = replace(score, name="keep_until", type="date")
        day = replace(day, transformation=replace(score.transformation, name="retention_date"))
        contract = replace(contract, columns=(*contract.columns, day))
    return contract


def moment(text):
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


VERSIONS = "patient int, is_current boolean, valid_to timestamp, recorded_at timestamp, "
VERSIONS += "keep_until date, __held boolean"
KEPT = "patient int, changed_at timestamp, keep_until date, __held boolean"


def due(spark, contract, versions, kept=()):
    rows = [
        (patient, end is None, moment(end), moment(loaded), until, held)
        for patient, end, loaded, until, held in versions
    ]
    events = [(patient, moment(at), None, False) for patient, at in kept]
    found = due_records(
        contract,
        history_settings(contract),
        spark.createDataFrame(rows, VERSIONS),
        spark.createDataFrame(events, KEPT) if kept else None,
        today=TODAY,
    )
    expired = sorted(row.patient for row in found.records.collect())
    assert found.expired == len(expired)
    return expired, (found.held, found.soon, found.later)


def test_a_record_is_due_so_long_after_its_end_and_all_of_it_at_once(spark):
    versions = [
        (1, "2026-03-22 23:59", "2026-03-01", None, False),  # 100 days ago
        (2, "2026-03-23 00:00", "2026-03-01", None, False),  # due tomorrow
        (3, "2020-01-01", "2020-01-01", None, False),  # goes on
        (3, None, "2020-01-01", None, False),
        (4, "2020-01-01", "2020-01-01", None, False),  # ended again, too late
        (4, "2026-06-01", "2026-06-01", None, False),
        (5, "2020-01-01", "2020-01-01", None, True),
    ]
    kept = [(1, "2026-06-29"), (6, "2020-01-01"), (7, "2026-06-29")]

    assert due(spark, contract_from(RetentionStart.RECORD_END), versions, kept) == (
        [1, 6], (1, 1, 2)
    )  # fmt: skip


def test_no_record_is_due_before_the_day_that_a_load_has_promised(spark):
    contract = contract_from(RetentionStart.RECORD_END, promised=True)
    versions = [
        (1, "2020-01-01", "2026-06-01", date(2026, 6, 30), False),
        (2, "2020-01-01", "2026-06-01", date(2026, 7, 1), False),
    ]

    assert due(spark, contract, versions) == ([1], (0, 1, 1))


def test_from_load_a_record_is_due_so_long_after_it_was_loaded_last_open_or_not(spark):
    versions = [
        (1, None, "2026-03-22 23:00", None, False),
        (2, "2020-01-01", "2026-03-22", None, False),
        (2, None, "2026-03-24", None, False),
    ]

    assert due(spark, contract_from(RetentionStart.LOAD), versions) == ([1], (0, 1, 1))


def test_a_contract_without_a_retention_is_told_what_to_say():
    for contract in (READINGS, replace(READINGS, retention_days=100)):
        with pytest.raises(ContractError, match="no action"):
            rule_of(contract)
    rule = RetentionRule(RetentionAction.DELETE)
    with pytest.raises(ContractError, match="no time"):
        rule_of(replace(READINGS, retention=rule))
