"""`strandline audit`: shows records, verifies the chain, exports it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from blocks.lookup import block_lookup
from strandline.command_line import main
from tasks.observability.audit_log import AuditAction, AuditEntry, record_audit
from tests.strandline.lakes import run_settings_in


def entry(action, subject, number, day):
    return (
        AuditEntry(
            action=action,
            subject=subject,
            actor="user ada on ward",
            reason="weighed again",
            batch_id=f"batch-{number}",
            counts={"rows_read": 1000 + number},
        ),
        datetime(2026, 5, day, 12, tzinfo=UTC),
    )


@pytest.fixture(scope="module")
def log(spark, postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit-command")
    settings = run_settings_in(folder, postgres, "audit_command")
    blocks = block_lookup.save_local(
        folder / "blocks.yaml",
        ("default", settings),
        ("local", settings.spark),
        ("local", settings.lakehouse),
        ("local", settings.key_ring),
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(block_lookup.VARIABLE, str(blocks))
        environment.setenv("COLUMNS", "180")
        yield settings


@pytest.fixture(scope="module")
def session(log):
    return log.spark.session(log.lakehouse, shared=False)


@pytest.fixture(scope="module")
def table(log, session):
    target = "audit_command.target_schema.aircraft"
    for each, at in (
        entry(AuditAction.PUBLISH, target, 1, 1),
        entry(AuditAction.RELEASE, target, 2, 2),
        entry(AuditAction.PUBLISH, "audit_command.a.b", 3, 3),
    ):
        record_audit(session, log, [each], at=at)
    return "audit_command.governance.audit_log"


def answered(capsys, *arguments, code=0):
    assert main(["audit", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_before_the_first_record_nothing_is_shown_and_nothing_can_be_verified(log, capsys):
    assert answered(capsys, "show") == {"records": []}
    assert main(["audit", "verify"]) == 66
    assert "an audit log" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "batches"),
    [
        ((), [3, 2, 1]),
        (("--limit", "1"), [3]),
        (("--subject", "aircraft"), [2, 1]),
        (("--subject", "audit_command.a.b"), [3]),
        (("--action", "publish"), [3, 1]),
        (("--since", "2026-05-02"), [3, 2]),
        (("--subject", "nobody"), []),
    ],
)
def test_records_are_shown_by_what_they_are_about(table, capsys, arguments, batches):
    told = answered(capsys, "show", *arguments)

    assert [each["batch_id"] for each in told["records"]] == [f"batch-{n}" for n in batches]


def test_people_see_a_table_of_the_newest_records(table, capsys):
    assert main(["audit"]) == 0
    shown = capsys.readouterr().out
    assert "user ada on ward" in shown
    assert "rows_read 1,003" in shown
    assert shown.index("batch-3") < shown.index("batch-1")


def test_an_unknown_action_and_a_wrong_anchor_are_refused(table, capsys):
    assert main(["audit", "show", "--action", "publis"]) == 64
    assert "did you mean publish" in " ".join(capsys.readouterr().err.split())
    assert main(["audit", "verify", "--anchor", "3:abc"]) == 64


def test_the_log_is_verified_with_what_was_kept_outside_and_harm_is_told(
    table, session, capsys, tmp_path
):
    exports = str(tmp_path / "exports")
    assert answered(capsys, "export", exports)["records"] == 3
    assert answered(capsys, "export", exports)["records"] == 0
    assert answered(capsys, "verify-export", exports)["records"] == 3
    assert main(["audit", "anchor"]) == 0
    head = capsys.readouterr().out.strip()
    told = answered(capsys, "verify", "--export", exports, "--anchor", head)
    assert (told["records"], told["findings"]) == (3, [])

    session.sql(f"UPDATE {table} SET reason = 'because' WHERE sequence = 2")  # noqa: S608
    told = answered(capsys, "verify", code=65)
    assert told["findings"] == [{"kind": "changed", "first": 2, "last": 2}]
    assert main(["audit", "verify"]) == 65
    assert "record 2: changed" in " ".join(capsys.readouterr().out.split())
