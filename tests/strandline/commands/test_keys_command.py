"""`strandline keys`, on a ring whose table was never loaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lookup import block_lookup
from contracts.errors import KeyUnavailableError
from strandline.command_line import main
from tests.strandline.lakes import run_settings_in

TABLE = "target_schema.aircraft"


@pytest.fixture
def settings(tmp_path, postgres):
    made = run_settings_in(tmp_path, postgres, f"keys_{uuid4().hex[:8]}")
    made.key_ring = LocalKeyRing(
        path=tmp_path / "ring.json", key_encryption_key=LocalKeyRing.generate_key()
    )
    return made


@pytest.fixture
def ring(settings, tmp_path, monkeypatch):
    made = settings.key_ring
    other = made.with_key_encryption_key(LocalKeyRing.generate_key())
    path = block_lookup.save_local(
        tmp_path / "blocks.yaml", ("default", settings), ("local", made), ("next", other)
    )
    monkeypatch.setenv(block_lookup.VARIABLE, str(path))
    monkeypatch.setenv("COLUMNS", "160")
    made.keys_for(TABLE, create=True, at=datetime(2026, 1, 7, 2, tzinfo=UTC))
    return made


def audited(settings):
    """The records of the audit log, oldest first."""
    spark = settings.spark.session(settings.lakehouse)
    log = spark.table(f"{settings.lakehouse.catalog}.governance.audit_log")
    return log.orderBy("sequence").collect()


def answer(capsys, *typed):
    code = main([*typed, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_status_shows_every_key_and_no_key(ring, capsys):
    assert main(["keys", "status", "aircraft"]) == 0
    shown = capsys.readouterr().out
    code, told = answer(capsys, "keys", "status")

    assert code == 0
    assert {each["purpose"] for each in told["keys"]} == {"fingerprint", "pseudonym", "encryption"}
    for each in told["keys"]:
        assert (each["table"], each["state"], each["made_at"]) == (
            TABLE, "active", "2026-01-07T02:00:00+00:00"
        )  # fmt: skip
        assert each["id"] in shown
        assert ring.data_key(each["id"]).material.hex() not in shown + str(told)
    assert ring.wrapping_key_id in shown
    code, told = answer(capsys, "keys", "status", "new_source_table")
    assert (code, told["keys"]) == (0, [])


@pytest.mark.parametrize("way", ["block", "env"])
@pytest.mark.usefixtures("spark")
def test_rewrap_takes_the_new_key_by_reference(ring, settings, capsys, monkeypatch, way):
    new = block_lookup.key_ring("local-key-ring/next")
    monkeypatch.setenv("NEXT_KEY", new.key_encryption_key.get_secret_value())
    typed = ("--to-block", "next") if way == "block" else ("--to-env", "NEXT_KEY")
    keys = ring.keys_for(TABLE, create=False)

    code, told = answer(capsys, "keys", "rewrap", *typed)

    assert (code, told["rewrapped"], told["unchanged"]) == (0, 3, 0)
    assert told["wrapped_by"] == new.wrapping_key_id
    assert new.keys_for(TABLE, create=False) == keys
    # The block of the run settings still has the old key, which the command says.
    assert main(["keys", "rewrap", *typed]) == 0
    assert "next: give the run settings' key ring" in capsys.readouterr().out
    assert main(["keys", "rewrap"]) == 78
    assert "key-encryption key" in capsys.readouterr().err
    told = audited(settings)
    assert [(row.action, row.counts["rewrapped"]) for row in told] == [
        ("rewrap keys", 3), ("rewrap keys", 0)
    ]  # fmt: skip
    assert ring.storage().name in told[0].subject


@pytest.mark.parametrize(
    ("typed", "code", "named"),
    [
        (("keys", "rewrap", "--to-env", "NO_SUCH_KEY"), 78, "NO_SUCH_KEY"),
        (("keys", "rewrap", "--to-block", "nobody"), 78, "nobody"),
        (("keys", "rewrap", "--to-block", "paper/x"), 78, "aws-kms-key-ring"),
        (("keys", "rewrap", "--to-block", "next", "--to-env", "X"), 64, "both"),
        (("keys", "rotate", "aircraft", "--purpose", "fingerprint"), 78, "not recognised"),
        (("keys", "rotate", "aircraft", "--purpose", "encryptoin"), 64, "encryption"),
        (("keys", "rotate", "aircrat"), 78, "aircraft"),
        (("keys", "status", "aircrat"), 78, "aircraft"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(ring, capsys, typed, code, named):
    before = ring.path.read_bytes()

    assert main(list(typed)) == code
    assert named in capsys.readouterr().err
    assert ring.path.read_bytes() == before


def test_a_value_of_a_variable_that_is_no_key_is_not_shown(ring, capsys, monkeypatch):
    monkeypatch.setenv("NEXT_KEY", "canary-of-a-key")

    assert main(["keys", "rewrap", "--to-env", "NEXT_KEY"]) == 78
    told = capsys.readouterr()
    assert "32 bytes" in told.err
    assert "canary" not in told.err + told.out


@pytest.mark.usefixtures("spark")
def test_rotate_runs_the_flow_and_says_which_key_encrypts(ring, settings, prefect_server, capsys):
    code, told = answer(capsys, "keys", "rotate", "aircraft")

    assert code == 0
    assert told["key"]["state"] == "active"
    assert told["rewritten"] is False
    assert [each.state for each in ring.status()].count("retired") == 1
    assert ring.keys_for(TABLE, create=False).encryption.id == told["key"]["id"]
    assert main(["keys", "rotate", "aircraft"]) == 0
    assert "--rewrite encrypts them again" in capsys.readouterr().out
    first, second = audited(settings)
    assert (first.action, first.key_ids) == ("rotate key", [told["key"]["id"]])
    assert second.key_ids != first.key_ids


def test_a_key_is_destroyed_by_a_yes_alone_and_the_audit_log_has_it_first(
    ring, settings, capsys, monkeypatch
):
    (key,) = [each for each in ring.status() if each.purpose == "encryption"]
    (other,) = [each for each in ring.status() if each.purpose == "pseudonym"]

    assert main(["keys", "destroy", key.id, "--reason", "request 17"]) == 65
    assert "nothing was destroyed" in capsys.readouterr().err
    assert main(["keys", "destroy", "nonesuch", "--reason", "r", "--yes"]) == 66
    assert "strandline keys status" in capsys.readouterr().err
    assert main(["keys", "destroy", other.id, "--reason", "r", "--yes"]) == 78
    assert "without which the table can't be loaded" in " ".join(capsys.readouterr().err.split())
    assert ring.data_key(key.id)

    def stop(*_arguments, **_options):
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(LocalKeyRing, "destroy", stop)
        assert main(["keys", "destroy", key.id, "--reason", "request 17", "--yes"]) != 0
    capsys.readouterr()
    (record,) = audited(settings)
    assert (record.action, record.subject, record.key_ids) == ("destroy key", TABLE, [key.id])
    code, told = answer(capsys, "keys", "destroy", key.id, "--reason", "request 17", "--yes")

    assert (code, told["state"]) == (0, "destroyed")
    with pytest.raises(KeyUnavailableError, match="request 17"):
        ring.data_key(key.id)
    assert len(audited(settings)) == 2
    assert main(["keys", "destroy", key.id, "--reason", "again", "--yes"]) == 0
    assert len(audited(settings)) == 2


class StoppedError(RuntimeError):
    """The process ends here."""
