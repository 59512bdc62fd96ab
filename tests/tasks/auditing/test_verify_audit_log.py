"""Whoever changes the log is found out, and what was done is named."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785

from blocks.lookup import block_lookup
from contracts.errors import AuditLogTamperedError
from contracts.loader import LEDGERS, load_ledger
from strandline.queries.audit_records import AuditRecord
from tasks.auditing import verify_audit_log as module
from tasks.auditing.verify_audit_log import FindingKind, refuse_tampered, verify_audit_log
from tasks.observability.audit_log.audit_chain import canonical_text, hash_of
from tests.tasks.auditing.conftest import entry


def found(log, *anchors):
    verification = verify_audit_log(log.spark, log.settings, anchors)
    return {(each.kind, each.first, each.last) for each in verification.findings}


def test_the_text_of_a_record_and_its_hash_are_what_they_have_always_been():
    at = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
    text = canonical_text(entry(7), 7, at)

    assert text == (
        '{"action":"publish","actor":"user ada on ward","batch_id":"b7","contract":null,'
        '"contract_version":null,"counts":{"rows_read":7,"rows_refused":0},'
        '"details":{"contract_before":"readings 1.0.0"},"key_ids":["k1"],"reason":"load",'
        '"recorded_at":"2026-03-01T12:00:00.000005Z","run_id":null,"sequence":7,'
        '"snapshot_id":"4611686018427387911","subject":"lake.clinic.patients","version":1}'
    )
    assert hash_of("0" * 64, text) == (
        "8116a8e1d84e40297a44990ae492f65cdc762d49c1e43272133f8013de253e62"
    )


def test_the_log_has_a_column_for_each_attribute_of_an_entry_and_for_its_place_in_the_chain():
    chain = {"sequence", "recorded_at", "previous_hash", "record_hash", "record"}
    columns = [each.name for each in load_ledger(LEDGERS / "audit_log.yaml").columns]

    assert {*columns} == {*entry(1).values()} | chain
    assert {each.name for each in fields(AuditRecord)} == {*columns} - {"previous_hash", "record"}


def test_an_untouched_log_is_verified_from_its_first_record_to_its_last(twenty):
    verification = verify_audit_log(twenty.spark, twenty.settings)

    assert verification.findings == ()
    assert (verification.records, verification.first, verification.head.sequence) == (20, 1, 20)
    assert verification.anchors == 10
    refuse_tampered(verification, twenty.table)


def test_the_hash_is_the_one_that_the_page_describes(twenty):
    previous = "0" * 64
    for row in twenty.rows():
        assert row.record == rfc8785.dumps(json.loads(row.record)).decode()
        text = f"strandline-audit-log-v1\n{previous}\n{row.record}"
        assert row.record_hash == hashlib.sha256(text.encode()).hexdigest()
        assert row.previous_hash == previous
        previous = row.record_hash


CHANGES = (
    "actor = 'user eve on ward'",
    "reason = 'because'",
    "counts = map('rows_read', 800L, 'rows_refused', 0L)",
    "details = map()",
    "key_ids = array()",
    "snapshot_id = snapshot_id + 1",
    "recorded_at = recorded_at + INTERVAL 1 SECOND",
    "batch_id = NULL",
    "record = replace(record, 'ada', 'eve')",
    "record = 'no JSON at all'",
    "record_hash = repeat('a', 64)",
)


def test_each_changed_field_is_found(tampered):
    for number, change in enumerate(CHANGES, 2):
        tampered.sql(f"UPDATE {{log}} SET {change} WHERE sequence = {number}")  # noqa: S608

    changed = {first for kind, first, _ in found(tampered) if kind is FindingKind.CHANGED}
    assert changed == set(range(2, 2 + len(CHANGES)))


def test_a_record_that_was_changed_and_hashed_anew_breaks_the_chain_after_it(tampered):
    rows = tampered.rows()
    text = canonical_text(entry(7, actor="user eve on ward"), 7, rows[6].recorded_at.astimezone())
    new = hash_of(rows[6].previous_hash, text)
    tampered.spark.sql(
        f"UPDATE {tampered.table} SET actor = 'user eve on ward', record = '{text}', "  # noqa: S608
        f"record_hash = '{new}' WHERE sequence = 7"
    )

    assert (FindingKind.BROKEN, 8, 8) in found(tampered)


def test_a_deleted_record_is_missing(tampered):
    tampered.sql("DELETE FROM {log} WHERE sequence = 7")

    assert found(tampered) == {(FindingKind.MISSING, 7, 7)}


def test_several_deleted_records_and_the_first_ones_are_missing(tampered):
    tampered.sql("DELETE FROM {log} WHERE sequence IN (1, 2, 11, 12, 13)")

    assert found(tampered) == {(FindingKind.MISSING, 1, 2), (FindingKind.MISSING, 11, 13)}


def test_swapped_records_are_changed_ones(tampered):
    tampered.sql("UPDATE {log} SET sequence = 15 - sequence WHERE sequence IN (7, 8)")

    assert {(FindingKind.CHANGED, 7, 7), (FindingKind.CHANGED, 8, 8)} <= found(tampered)


def test_an_inserted_record_is_found(tampered):
    columns = tampered.spark.table(tampered.table).columns
    values = ", ".join("7L" if name == "sequence" else name for name in columns)
    tampered.sql(f"INSERT INTO {{log}} SELECT {values} FROM {{log}} WHERE sequence = 12")  # noqa: S608

    kinds = found(tampered)
    assert (FindingKind.INSERTED, 7, 7) in kinds
    assert (FindingKind.CHANGED, 7, 7) in kinds


def test_a_truncated_tail_is_found_by_the_summaries_of_the_snapshots(tampered):
    tampered.sql("DELETE FROM {log} WHERE sequence > 15")

    assert found(tampered) == {(FindingKind.TRUNCATED, 16, 20)}


def test_a_rolled_back_log_is_found_by_the_summaries_of_the_snapshots(tampered):
    catalog, _, name = tampered.table.partition(".")
    rows = tampered.spark.table(f"{tampered.table}.snapshots").collect()
    (at_ten,) = {r.snapshot_id for r in rows if r.summary.get("strandline.audit-sequence") == "10"}
    tampered.spark.sql(f"CALL {catalog}.system.set_current_snapshot('{name}', {at_ten})")

    assert found(tampered) == {(FindingKind.TRUNCATED, 11, 20)}


def test_two_chains_that_were_joined_are_found_where_they_meet(tampered, make_log):
    other = make_log()
    other.append(*[entry(n, actor="user eve on ward") for n in range(1, 21)])
    rows = [row for row in other.rows() if row.sequence > 10]
    tampered.sql("DELETE FROM {log} WHERE sequence > 10")
    schema = tampered.spark.table(tampered.table).schema
    tampered.spark.createDataFrame(rows, schema).writeTo(tampered.table).append()

    kinds = found(tampered)
    assert (FindingKind.BROKEN, 11, 11) in kinds
    assert (FindingKind.REWRITTEN, 20, 20) in kinds
    assert not any(kind is FindingKind.CHANGED for kind, *_ in kinds)


def test_a_chain_that_was_written_anew_from_the_start_is_found_by_an_anchor_outside(
    make_log, twenty
):
    forged = make_log()
    forged.append(*[entry(n, actor="user eve on ward") for n in range(1, 21)])
    kept = verify_audit_log(twenty.spark, twenty.settings).head

    assert found(forged) == set()
    assert found(forged, kept) == {(FindingKind.REWRITTEN, 20, 20)}
    assert found(forged, replace(kept, sequence=25)) == {(FindingKind.TRUNCATED, 21, 25)}


def test_what_lies_at_the_ends_of_ranges_is_compared_too(tampered, monkeypatch):
    monkeypatch.setattr(module, "RANGE", 5)
    assert found(tampered) == set()

    tampered.sql("DELETE FROM {log} WHERE sequence IN (5, 9, 10, 11)")
    assert found(tampered) == {(FindingKind.MISSING, 5, 5), (FindingKind.MISSING, 9, 11)}


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_million_records_are_verified_in_the_least_memory_that_spark_takes(make_log, tmp_path):
    log = make_log()
    for start in range(1, 1_000_001, 25_000):
        log.append(*[entry(number) for number in range(start, start + 25_000)])
    spark = log.settings.spark.model_copy(update={"driver_memory": "512m"})
    blocks = block_lookup.save_local(
        tmp_path / "blocks.yaml",
        ("default", log.settings.model_copy(update={"spark": spark})),
        ("local", spark),
        ("local", log.settings.lakehouse),
        ("local", log.settings.key_ring),
    )
    outcome = subprocess.run(
        [sys.executable, "-m", "tests.tasks.auditing.verifying"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, block_lookup.VARIABLE: str(blocks)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr[-3000:]
    (line,) = [each for each in outcome.stdout.splitlines() if each.startswith("VERIFIED ")]
    told = json.loads(line.removeprefix("VERIFIED "))
    sys.stdout.write(f"{line}\n")
    assert (told["records"], told["findings"]) == (1_000_000, [])
    # Prefect and PySpark have most of it; the records as Python has them would be gigabytes.
    assert told["python_mib"] < 600


def test_the_error_names_the_first_finding_and_what_to_do(tampered):
    tampered.sql("DELETE FROM {log} WHERE sequence = 7")
    verification = verify_audit_log(tampered.spark, tampered.settings)

    with pytest.raises(AuditLogTamperedError, match="record 7: missing") as caught:
        refuse_tampered(verification, tampered.table)

    assert caught.value.exit_code == 65


def test_records_after_tampering_do_not_fill_the_gap(make_log):
    log = make_log()
    log.append(entry(1), entry(2), entry(3))
    log.sql("DELETE FROM {log} WHERE sequence = 3")
    log.append(entry(4))

    assert [row.sequence for row in log.rows()] == [1, 2, 4]
    assert found(log) == {(FindingKind.MISSING, 3, 3)}
