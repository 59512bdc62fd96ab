"""Appending: one chain, whoever appends at once, and nothing lost or doubled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from pyspark.errors import PySparkException

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError, UsageError
from tasks.auditing.verify_audit_log import verify_audit_log
from tasks.observability.audit_log import append_audit_records as module
from tests.tasks.auditing.conftest import entry

ROOT = Path(__file__).parents[3]


def is_one_chain(log, records):
    verification = verify_audit_log(log.spark, log.settings)
    assert verification.findings == ()
    return verification.records == records == verification.head.sequence


def test_two_processes_that_append_at_once_make_one_chain(make_log, tmp_path):
    log = make_log()
    settings = log.settings
    blocks = block_lookup.save_local(
        tmp_path / "blocks.yaml",
        ("default", settings),
        ("local", settings.spark),
        ("local", settings.lakehouse),
        ("local", settings.key_ring),
    )
    environment = {**os.environ, block_lookup.VARIABLE: str(blocks)}
    command = [sys.executable, "-m", "tests.tasks.auditing.appending"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([*command, name, "20"], cwd=ROOT, env=environment, **pipes)
        for name in ("user ada on ward", "user bo on ward")
    ]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in processes:
        each.communicate(timeout=300)

    assert [each.returncode for each in processes] == [0, 0]
    assert is_one_chain(log, 40)
    assert Counter(row.actor for row in log.rows()) == {
        "user ada on ward": 20,
        "user bo on ward": 20,
    }


def test_a_log_that_was_dropped_is_created_again_by_the_process_that_knew_it(make_log):
    log = make_log()
    log.append(entry(1))
    log.spark.sql(f"DROP TABLE {log.table} PURGE")

    log.append(entry(2))

    assert is_one_chain(log, 1)


def test_two_sessions_of_one_process_make_one_chain(make_log):
    log = make_log()
    threads = [
        threading.Thread(target=lambda: [log.append(entry(n), entry(n)) for n in range(3)])
        for _ in range(2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert is_one_chain(log, 12)


def test_another_append_in_between_is_followed_and_not_overwritten(make_log, monkeypatch):
    log = make_log()
    log.append(entry(1))
    read_head = module._head

    def overtaken(spark, table, snapshot):
        head = read_head(spark, table, snapshot)
        monkeypatch.setattr(module, "_head", read_head)
        with monkeypatch.context() as unlocked:
            unlocked.setattr(module, "_LOCK", threading.Lock())
            log.append(entry(2, actor="user bo on ward"))
        return head

    monkeypatch.setattr(module, "_head", overtaken)
    log.append(entry(3))

    assert [row.actor for row in log.rows()] == [
        "user ada on ward",
        "user bo on ward",
        "user ada on ward",
    ]
    assert is_one_chain(log, 3)


def test_an_append_whose_answer_was_lost_is_found_and_not_repeated(make_log, monkeypatch):
    from pyspark.sql.readwriter import DataFrameWriterV2

    log = make_log()
    log.append(entry(1))
    overwrite = DataFrameWriterV2.overwrite

    def without_answer(self, condition):
        overwrite(self, condition)
        raise PySparkException("the connection was lost")

    monkeypatch.setattr(DataFrameWriterV2, "overwrite", without_answer)
    log.append(entry(2))
    monkeypatch.undo()
    log.append(entry(3))

    assert is_one_chain(log, 3)


def test_an_append_that_fails_leaves_no_half_record_and_says_so(make_log, monkeypatch):
    from pyspark.sql.readwriter import DataFrameWriterV2

    log = make_log()
    log.append(entry(1))

    def failing(_self, _condition):
        raise PySparkException("no room")

    monkeypatch.setattr(DataFrameWriterV2, "overwrite", failing)
    with pytest.raises(StrandlineError):
        log.append(entry(2), entry(3))
    monkeypatch.undo()

    assert is_one_chain(log, 1)


def test_a_log_that_another_process_is_about_to_create_is_waited_for(make_log, monkeypatch):
    log, failures = make_log(), iter([PySparkException("the namespace is there already")])
    create = module.ensure_ledger

    def taken(*arguments):
        for failure in failures:
            raise failure
        create(*arguments)

    monkeypatch.setattr(module, "ensure_ledger", taken)
    log.append(entry(1))

    assert is_one_chain(log, 1)


def test_an_append_is_one_commit(make_log):
    log = make_log()
    before = log.append(entry(1))
    log.append(*[entry(n) for n in range(2, 8)])

    assert before.sequence == 1
    assert log.spark.table(f"{log.table}.snapshots").count() == 2
    assert log.spark.table(f"{log.table}.files").count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"actor": " "},
        {"reason": ""},
        {"subject": ""},
        {"reason": "\udcff"},
        {"details": {"why": "\ud800"}},
        {"counts": {"rows": 2**53}},
    ],
)
def test_what_can_not_be_recorded_is_refused(wrong):
    with pytest.raises(UsageError):
        entry(1, **wrong)


def test_nothing_to_record_makes_no_commit(make_log):
    assert make_log().append() is None
