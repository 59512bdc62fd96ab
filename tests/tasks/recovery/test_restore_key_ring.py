"""The key ring that comes back: no key of now is lost, none that was destroyed returns."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from blocks.key_rings.key_ring_document import KeyRingDocument
from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.errors import KeyUnavailableError, RestoreRefusedError
from contracts.model.encryption_keys import KeyPurpose, KeyState
from tasks.recovery.restore_key_ring import restore_key_ring

AT = datetime(2026, 3, 1, tzinfo=UTC)
KEY = LocalKeyRing.generate_key()


@pytest.fixture
def ring(tmp_path):
    made = LocalKeyRing(path=tmp_path / "keys.json", key_encryption_key=KEY)
    made.keys_for_encryption("a.t", values=10, create=True, at=AT)
    return made


def content(ring) -> bytes:
    return ring.path.read_bytes()


def bring_back(ring, octets, **more):
    given = {"destroyed": (), "force": False, "dry_run": False} | more
    return restore_key_ring(ring, octets, **given)


def encryption(ring):
    return {each.id: each.state for each in ring.status() if each.purpose is KeyPurpose.ENCRYPTION}


def test_a_lost_list_comes_back_and_its_encryption_key_is_not_used_again(ring):
    saved, active = content(ring), ring.keys_for("a.t", create=False)
    ring.path.unlink()

    assert bring_back(ring, saved, dry_run=True).restored == 3
    assert not ring.path.exists()
    assert bring_back(ring, saved).restored == 3

    assert ring.keys_for("a.t", create=False) == active
    used = ring.keys_for_encryption("a.t", values=1, create=False, at=AT)
    assert used.encryption.id != active.encryption.id
    assert (used.fingerprint, used.pseudonym) == (active.fingerprint, active.pseudonym)
    assert ring.data_key(active.encryption.id) == active.encryption


def test_a_list_that_has_all_keys_stays_as_it_is(ring):
    saved = content(ring)
    ring.rotate("a.t", at=AT)
    now = content(ring)

    assert bring_back(ring, saved).restored == 0
    assert content(ring) == now


def test_keys_of_another_table_that_were_made_since_stay(ring):
    saved = content(ring)
    ring.path.unlink()
    ring.keys_for("a.u", create=True)
    theirs = ring.keys_for("a.u", create=False)

    assert bring_back(ring, saved).restored == 3
    assert ring.keys_for("a.u", create=False) == theirs


def test_keys_that_a_load_made_in_their_place_are_refused_and_then_retired(ring):
    saved, active = content(ring), ring.keys_for("a.t", create=False)
    ring.path.unlink()
    rival = ring.keys_for("a.t", create=True)
    now = content(ring)

    with pytest.raises(RestoreRefusedError, match="--force"):
        bring_back(ring, saved)
    assert content(ring) == now

    bring_back(ring, saved, force=True)
    assert ring.keys_for("a.t", create=False) == active
    assert encryption(ring)[rival.encryption.id] is KeyState.RETIRED
    assert ring.data_key(rival.encryption.id) == rival.encryption


def test_a_key_that_was_destroyed_stays_so(ring):
    saved, key = content(ring), ring.keys_for("a.t", create=False).encryption.id
    ring.destroy(key, reason="asked", at=AT)
    (newer,) = (each for each, state in encryption(ring).items() if state is KeyState.ACTIVE)
    bring_back(ring, saved)
    assert encryption(ring)[key] is KeyState.DESTROYED
    ring.path.unlink()

    # The list is gone too: then the audit log says what was destroyed.
    report = bring_back(ring, saved, destroyed={key, newer})

    assert report.destroyed == 1
    assert encryption(ring) == {key: KeyState.DESTROYED}
    text = content(ring).decode()
    assert KeyRingDocument.parse(saved.decode(), where="").keys[key].wrapped not in text


def test_another_key_encryption_key_and_a_damaged_list_change_nothing(ring, tmp_path):
    saved = content(ring)
    ring.path.unlink()
    other = LocalKeyRing(path=ring.path, key_encryption_key=LocalKeyRing.generate_key())
    with pytest.raises(KeyUnavailableError, match="key-encryption key"):
        bring_back(other, saved)
    assert not ring.path.exists()

    ring.path.write_text("{ damaged")
    with pytest.raises(RestoreRefusedError, match="Move it aside"):
        bring_back(ring, saved)
    assert ring.path.read_text() == "{ damaged"
