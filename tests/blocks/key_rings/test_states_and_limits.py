"""What a key may be used for, how often, and what crashes and mistakes leave behind."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks.key_rings import key_ring_storage
from blocks.key_rings.key_ring_document import period_of
from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.errors import KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import GCM_VALUES_PER_KEY, KeyPurpose, KeyState

TABLE = "crm.customers"
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def ring(tmp_path: Path) -> LocalKeyRing:
    return LocalKeyRing(path=tmp_path / "ring.json", key_encryption_key=LocalKeyRing.generate_key())


def again(ring, **changes):
    fields = {name: getattr(ring, name) for name in type(ring).model_fields}
    return LocalKeyRing(**{**fields, **changes})


def encryption(ring):
    return [each for each in ring.status() if each.purpose is KeyPurpose.ENCRYPTION]


def encrypting(ring, values, *, at=AT, table=TABLE):
    return ring.keys_for_encryption(table, values=values, create=True, at=at).encryption


def test_each_state_allows_what_it_should(ring):
    first = ring.keys_for(TABLE, create=True, at=AT).encryption
    status = ring.rotate(TABLE, at=AT + timedelta(days=1))
    active = ring.keys_for(TABLE, create=False).encryption

    assert (status.id, status.state, status.uses) == (active.id, KeyState.ACTIVE, 0)
    assert active.material != first.material
    (old, new) = encryption(ring)
    assert (old.state, old.made_at, old.ended_at) == ("retired", AT, AT + timedelta(days=1))
    assert new.wrapped_by == ring.wrapping_key_id
    assert ring.decryption_keys(TABLE) == {first.id: first, active.id: active}
    with pytest.raises(KeyUnavailableError, match="retired") as caught:
        ring.reserve_uses(first.id, 1)
    assert caught.value.next_step == f"strandline keys rotate {TABLE}"

    gone = ring.destroy(first.id, reason="request 17", at=AT)
    assert (gone.state, gone.reason, gone.wrapped_by) == ("destroyed", "request 17", None)
    assert ring.destroy(first.id, reason="again", at=AT).reason == "request 17"
    assert ring.decryption_keys(TABLE).keys() == {active.id}
    with pytest.raises(KeyUnavailableError, match="destroyed: request 17"):
        ring.data_key(first.id)
    assert '"wrapped"' not in json.dumps(json.loads(ring.path.read_text())["keys"][first.id])


def test_a_table_whose_active_key_is_destroyed_gets_a_new_one(ring):
    first = ring.keys_for(TABLE, create=True).encryption
    ring.destroy(first.id, reason="leaked", at=AT)

    assert ring.keys_for(TABLE, create=False).encryption.id != first.id
    assert [each.state for each in encryption(ring)] == ["destroyed", "active"]


def test_keys_that_give_rows_their_identity_are_not_rotated(ring):
    keys = ring.keys_for(TABLE, create=True)
    for purpose in set(KeyPurpose) - {KeyPurpose.ENCRYPTION}:
        with pytest.raises(SettingsError, match="not recognised beside what is stored"):
            ring.rotate(TABLE, at=AT, purpose=purpose)
    assert ring.keys_for(TABLE, create=False) == keys


def test_uses_are_kept_before_they_happen_and_a_load_beyond_the_limit_gets_a_new_key(ring):
    ring = again(ring, use_limit=100)
    first = encrypting(ring, 60)
    assert [each.uses for each in encryption(ring)] == [60]
    assert encrypting(ring, 40) == first
    assert encrypting(ring, 0) == first
    second = encrypting(ring, 1)

    assert second.id != first.id
    assert [(each.state, each.uses, each.limit) for each in encryption(ring)] == [
        ("retired", 100, 100),
        ("active", 1, 100),
    ]
    # A load that is larger than the limit has a key of its own.
    third = encrypting(ring, 500)
    assert third.id != second.id
    assert encryption(ring)[-1].uses == 500


def test_beyond_what_gcm_allows_is_refused_and_nothing_is_counted(ring):
    key = encrypting(ring, 10)
    before = ring.path.read_bytes()

    for act in (
        lambda: encrypting(ring, GCM_VALUES_PER_KEY + 1),
        lambda: ring.reserve_uses(key.id, GCM_VALUES_PER_KEY - 9),
    ):
        with pytest.raises(KeyUnavailableError, match="4,294,967,296"):
            act()
    assert ring.path.read_bytes() == before
    ring.reserve_uses(key.id, GCM_VALUES_PER_KEY - 10)
    assert encryption(ring)[0].uses == GCM_VALUES_PER_KEY
    for limit in (0, GCM_VALUES_PER_KEY + 1):
        with pytest.raises(ValidationError):
            again(ring, use_limit=limit)
    assert ring.use_limit * 4 == GCM_VALUES_PER_KEY


@pytest.mark.parametrize(
    ("length", "later", "names"),
    [
        ("year", timedelta(days=300), ("2026", "2027")),
        ("quarter", timedelta(days=70), ("2026-Q2", "2026-Q3")),
        ("month", timedelta(days=31), ("2026-05", "2026-06")),
    ],
)
def test_a_new_period_has_a_new_key(ring, length, later, names):
    ring = again(ring, period=length)
    first = encrypting(ring, 1)
    assert encrypting(ring, 1, at=AT + timedelta(days=20)) == first
    assert encrypting(ring, 1, at=AT - timedelta(days=400)) == first
    second = encrypting(ring, 1, at=AT + later)

    assert second.id != first.id
    assert tuple(each.period for each in encryption(ring)) == names
    assert period_of(AT, None) is None


def test_many_that_count_at_once_lose_no_use(ring):
    key = encrypting(ring, 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _n: again(ring).reserve_uses(key.id, 1), range(32)))

    assert encryption(ring)[0].uses == 33


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("act", ["rotate", "begin_rewrite", "rewrap", "destroy"])
def test_a_crash_while_the_file_is_written_changes_nothing_and_it_can_be_done_again(
    ring, monkeypatch, act
):
    keys = ring.keys_for(TABLE, create=True)
    new = again(ring, key_encryption_key=LocalKeyRing.generate_key())
    acts = {
        "rotate": lambda: ring.rotate(TABLE, at=AT),
        "begin_rewrite": lambda: ring.begin_rewrite(TABLE, at=AT),
        "rewrap": lambda: ring.rewrap(new),
        "destroy": lambda: ring.destroy(keys.encryption.id, reason="drill", at=AT),
    }
    before = ring.path.read_bytes()

    def stop(*_args):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(key_ring_storage, "write_private", stop)
        with pytest.raises(Stopped):
            acts[act]()
    assert ring.path.read_bytes() == before
    assert ring.keys_for(TABLE, create=False) == keys

    acts[act]()

    assert ring.path.read_bytes() != before
    opens = new if act == "rewrap" else ring
    assert opens.data_key(keys.fingerprint.id) == keys.fingerprint


def test_a_rewrite_that_was_begun_goes_on_with_its_key(ring):
    ring.keys_for(TABLE, create=True)
    begun = ring.begin_rewrite(TABLE, at=AT)
    assert begun.rewrite_pending

    assert again(ring).begin_rewrite(TABLE, at=AT + timedelta(days=1)) == begun
    ring.finish_rewrite(TABLE)
    assert not any(each.rewrite_pending for each in ring.status())
    assert ring.begin_rewrite(TABLE, at=AT).id != begun.id


def test_the_wrapping_key_changes_and_the_data_keys_stay(ring):
    keys = [ring.keys_for(name, create=True) for name in (TABLE, "crm.orders")]
    new = again(ring, key_encryption_key=LocalKeyRing.generate_key())

    report = ring.rewrap(new)

    assert (report.rewrapped, report.unchanged, report.wrapped_by) == (6, 0, new.wrapping_key_id)
    assert [new.keys_for(name, create=False) for name in (TABLE, "crm.orders")] == keys
    assert new.rewrap().rewrapped == 0
    with pytest.raises(KeyUnavailableError, match=new.wrapping_key_id) as caught:
        ring.keys_for(TABLE, create=False)
    assert "key-encryption key" in caught.value.next_step


def test_with_the_previous_key_in_the_block_no_load_fails_meanwhile(ring):
    keys = ring.keys_for(TABLE, create=True)
    both = again(
        ring,
        key_encryption_key=LocalKeyRing.generate_key(),
        previous_key_encryption_key=ring.key_encryption_key,
    )
    assert both.keys_for(TABLE, create=False) == keys
    fresh = both.rotate(TABLE, at=AT)
    assert both.decryption_keys(TABLE).keys() == {keys.encryption.id, fresh.id}

    report = both.rewrap()

    assert (report.rewrapped, report.unchanged) == (3, 1)
    alone = again(both, previous_key_encryption_key=None)
    assert alone.data_key(keys.encryption.id) == keys.encryption


def test_a_wrong_target_of_a_rewrap_changes_nothing(ring, tmp_path):
    ring.keys_for(TABLE, create=True)
    before = ring.path.read_bytes()

    with pytest.raises(SettingsError, match="same place"):
        ring.rewrap(again(ring, path=tmp_path / "other.json"))
    with pytest.raises(KeyUnavailableError, match="32 bytes") as caught:
        ring.with_key_encryption_key(SecretStr("canary"))
    assert "canary" not in str(caught.value)
    stranger = again(ring, key_encryption_key=LocalKeyRing.generate_key())
    for act in (stranger.rewrap, lambda: stranger.rotate(TABLE, at=AT)):
        with pytest.raises(KeyUnavailableError, match="key-encryption key"):
            act()
    assert ring.path.read_bytes() == before


def test_a_key_of_another_table_does_not_open(ring):
    mine, theirs = (ring.keys_for(name, create=True) for name in (TABLE, "crm.orders"))
    document = json.loads(ring.path.read_text())
    entries = document["keys"]
    entries[mine.encryption.id]["wrapped"] = entries[theirs.encryption.id]["wrapped"]
    ring.path.write_text(json.dumps(document))

    with pytest.raises(KeyUnavailableError, match="another table's"):
        ring.data_key(mine.encryption.id)
    assert ring.data_key(theirs.encryption.id) == theirs.encryption


VECTOR = (
    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
    "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
    "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
)
"""RFC 3394, 4.6: 256 bits of key data with a 256-bit key-encryption key."""


@pytest.fixture
def version_1(tmp_path):
    """A file as earlier releases wrote it, of the published vector."""
    wrapping, _, wrapped = (bytes.fromhex(each) for each in VECTOR)
    keys = {
        f"0000000{position}": {
            "table": TABLE, "purpose": purpose, "wrapped": base64.b64encode(wrapped).decode(),
        }
        for position, purpose in enumerate(("fingerprint", "pseudonym", "encryption"))
    }  # fmt: skip
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({"version": 1, "keys": keys}, indent=1))
    key = SecretStr(base64.b64encode(wrapping).decode())
    return LocalKeyRing(path=path, key_encryption_key=key)


def test_a_file_of_an_earlier_release_opens_unchanged_as_rfc_3394_says(version_1):
    ring, text = version_1, version_1.path.read_text()

    keys = ring.keys_for(TABLE, create=True)

    assert keys.encryption.id == "00000002"
    assert keys.encryption.material == bytes.fromhex(VECTOR[1])
    assert ring.decryption_keys(TABLE) == {"00000002": keys.encryption}
    assert [(each.state, each.uses, each.made_at) for each in ring.status()] == [
        (KeyState.ACTIVE, None, None)
    ] * 3
    assert ring.path.read_text() == text


def test_a_key_whose_uses_were_never_counted_is_retired_by_the_next_load(version_1):
    ring = version_1
    with pytest.raises(KeyUnavailableError, match="not counted"):
        ring.reserve_uses("00000002", 1)

    key = encrypting(ring, 7)

    assert key.id != "00000002"
    assert ring.decryption_keys(TABLE).keys() == {"00000002", key.id}
    assert ring.keys_for(TABLE, create=False).fingerprint.id == "00000000"
    assert ring.rewrap().rewrapped == 3  # the older ones are bound to their table from now on
    assert ring.data_key("00000002").material == bytes.fromhex(VECTOR[1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda keys: keys["keys"].popitem()[1] and keys.update(version=3),
        lambda keys: next(iter(keys["keys"].values())).update(state="lost"),
        lambda keys: next(iter(keys["keys"].values())).update(uses=-1),
        lambda keys: next(iter(keys["keys"].values())).update(made_at="yesterday"),
        lambda keys: next(iter(keys["keys"].values())).pop("wrapped"),
        lambda keys: next(iter(keys["keys"].values())).update(purpose="joy"),
    ],
)
def test_a_damaged_list_is_an_error_and_stays_as_it_is(ring, damage):
    ring.keys_for(TABLE, create=True)
    document = json.loads(ring.path.read_text())
    damage(document)
    text = json.dumps(document)
    ring.path.write_text(text)

    for act in (ring.status, lambda: ring.rotate(TABLE, at=AT), lambda: encrypting(ring, 1)):
        with pytest.raises(KeyUnavailableError) as caught:
            act()
        assert caught.value.next_step
    assert ring.path.read_text() == text


def test_what_is_not_there_is_an_error_and_makes_no_file(ring):
    for act in (
        ring.status,
        ring.rewrap,
        lambda: ring.rotate(TABLE, at=AT),
        lambda: ring.destroy("00000000", reason="", at=AT),
        lambda: ring.reserve_uses("00000000", 1),
        lambda: ring.decryption_keys(TABLE),
        lambda: ring.keys_for_encryption(TABLE, values=1, create=False, at=AT),
    ):
        with pytest.raises(KeyUnavailableError, match=r"ring\.json"):
            act()
    assert not ring.path.exists()
    ring.keys_for("crm.orders", create=True)
    for act in (
        lambda: ring.rotate(TABLE, at=AT),
        lambda: ring.destroy("00000000", reason="", at=AT),
    ):
        with pytest.raises(KeyUnavailableError):
            act()
