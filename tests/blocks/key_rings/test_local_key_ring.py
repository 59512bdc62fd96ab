from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.errors import KeyUnavailableError

TABLE = "lake.crm.customers"


@pytest.fixture
def ring(tmp_path: Path) -> LocalKeyRing:
    return LocalKeyRing(
        path=tmp_path / "keys" / "ring.json", key_encryption_key=LocalKeyRing.generate_key()
    )


def again(ring: LocalKeyRing, key: SecretStr | None = None) -> LocalKeyRing:
    return LocalKeyRing(path=ring.path, key_encryption_key=key or ring.key_encryption_key)


def test_the_keys_of_a_table_are_made_once_and_found_again(ring):
    made = ring.keys_for(TABLE, create=True)

    assert again(ring).keys_for(TABLE, create=True) == made
    assert again(ring).keys_for(TABLE, create=False) == made


def test_every_key_of_every_table_differs(ring):
    keys = [ring.keys_for(name, create=True) for name in (TABLE, "lake.crm.orders")]
    single = [
        key for three in keys for key in (three.fingerprint, three.pseudonym, three.encryption)
    ]

    assert len({key.material for key in single}) == 6
    assert len({key.id for key in single}) == 6
    assert {len(key.material) for key in single} == {32}
    assert all(len(bytes.fromhex(key.id)) == 4 for key in single)


def test_a_key_is_found_by_the_id_in_a_token(ring):
    keys = ring.keys_for(TABLE, create=True)

    assert again(ring).data_key(keys.encryption.id) == keys.encryption
    with pytest.raises(KeyUnavailableError, match="00000000"):
        ring.data_key("00000000")


def test_the_key_of_deterministic_tokens_is_made_when_it_is_asked_for_and_has_64_bytes(ring):
    keys = ring.keys_for(TABLE, create=True)
    document = json.loads(ring.path.read_text())

    of_table = again(ring).deterministic_key(TABLE, create=True)
    of_domain = ring.deterministic_key("join domain emails", create=True)

    assert {entry["purpose"] for entry in document["keys"].values()} == {
        *("fingerprint", "pseudonym", "encryption")
    }
    assert {len(key.material) for key in (of_table, of_domain)} == {64}
    assert of_table.material != of_domain.material
    for owner, key in ((TABLE, of_table), ("join domain emails", of_domain)):
        assert again(ring).deterministic_key(owner, create=True) == key
        assert again(ring).deterministic_key(owner, create=False) == key
        assert again(ring).data_key(key.id) == key
    # A file with such keys still gives the table's others.
    assert again(ring).keys_for(TABLE, create=False) == keys


def test_a_key_of_deterministic_tokens_that_is_missing_is_an_error(ring):
    with pytest.raises(KeyUnavailableError, match="Restore"):
        ring.deterministic_key(TABLE, create=False)
    assert not ring.path.exists()
    ring.keys_for(TABLE, create=True)
    before = ring.path.read_bytes()

    with pytest.raises(KeyUnavailableError, match=f"deterministic tokens of {TABLE}") as caught:
        ring.deterministic_key(TABLE, create=False)

    assert "another name" in caught.value.next_step
    assert ring.path.read_bytes() == before


def test_the_file_is_its_owners_alone_and_holds_no_key_in_the_clear(ring):
    keys = ring.keys_for(TABLE, create=True)
    text = ring.path.read_text()

    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    for key in (keys.fingerprint, keys.pseudonym, keys.encryption):
        assert base64.b64encode(key.material).decode() not in text
        assert key.material.hex() not in text
    assert ring.key_encryption_key.get_secret_value() not in text


def test_nothing_shows_a_key(ring):
    keys = ring.keys_for(TABLE, create=True)
    shown = f"{ring!r} {ring} {ring.model_dump_json()} {keys!r} {keys}"

    assert ring.key_encryption_key.get_secret_value() not in shown
    assert repr(keys.encryption.material) not in shown
    assert keys.encryption.id in shown


def test_another_key_encryption_key_opens_nothing_and_adds_nothing(ring):
    keys = ring.keys_for(TABLE, create=True)
    other = again(ring, LocalKeyRing.generate_key())
    before = ring.path.read_bytes()

    for act in (
        lambda: other.keys_for(TABLE, create=False),
        lambda: other.keys_for("lake.crm.orders", create=True),
        lambda: other.data_key(keys.encryption.id),
    ):
        with pytest.raises(KeyUnavailableError, match="key-encryption key") as caught:
            act()
        assert other.key_encryption_key.get_secret_value() not in str(caught.value)
    assert ring.path.read_bytes() == before


def test_without_the_file_nothing_is_made_unasked_and_the_error_says_what_to_restore(ring):
    for act in (
        lambda: ring.keys_for(TABLE, create=False),
        lambda: ring.data_key("00000000"),
    ):
        with pytest.raises(KeyUnavailableError, match=r"ring\.json") as caught:
            act()
        assert "Restore" in caught.value.next_step
    assert not ring.path.parent.exists()


def test_a_table_without_keys_or_with_one_missing_is_an_error(ring):
    keys = ring.keys_for(TABLE, create=True)
    with pytest.raises(KeyUnavailableError, match=r"lake\.crm\.orders"):
        ring.keys_for("lake.crm.orders", create=False)

    document = json.loads(ring.path.read_text())
    del document["keys"][keys.pseudonym.id]
    ring.path.write_text(json.dumps(document))
    with pytest.raises(KeyUnavailableError, match="encryption, fingerprint"):
        ring.keys_for(TABLE, create=True)


@pytest.mark.parametrize(
    "damage",
    ["", "not json", "[]", '{"keys": []}', '{"keys": {"00000000": {"table": "t"}}}', '{"keys": 1}'],
)
def test_a_damaged_file_is_an_error_and_is_left_as_it_is(ring, damage):
    ring.path.parent.mkdir()
    ring.path.write_text(damage)

    for create in (True, False):
        with pytest.raises(KeyUnavailableError, match="can't be read"):
            ring.keys_for(TABLE, create=create)
    assert ring.path.read_text() == damage


def test_a_key_that_was_tampered_with_does_not_open(ring):
    keys = ring.keys_for(TABLE, create=True)
    document = json.loads(ring.path.read_text())
    entry = document["keys"][keys.encryption.id]
    wrapped = bytearray(base64.b64decode(entry["wrapped"]))
    wrapped[3] ^= 1
    for text in (base64.b64encode(wrapped).decode(), "no base64!", "AAAA"):
        entry["wrapped"] = text
        ring.path.write_text(json.dumps(document))
        with pytest.raises(KeyUnavailableError):
            ring.data_key(keys.encryption.id)


def test_a_place_that_can_not_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    ring = LocalKeyRing(
        path=tmp_path / "file" / "ring.json", key_encryption_key=LocalKeyRing.generate_key()
    )

    with pytest.raises(KeyUnavailableError, match="path"):
        ring.keys_for(TABLE, create=True)


def test_many_at_once_lose_no_key(ring):
    tables = [f"lake.crm.t{i % 8}" for i in range(32)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda table: again(ring).keys_for(table, create=True), tables))

    assert found == [again(ring).keys_for(table, create=False) for table in tables]
    assert len(json.loads(ring.path.read_text())["keys"]) == 24
    assert {path.name for path in ring.path.parent.iterdir()} == {"ring.json", "ring.json.lock"}


@pytest.mark.parametrize("key", ["canary", "", base64.b64encode(b"16 bytes of key.").decode()])
def test_a_key_encryption_key_of_another_size_is_refused_and_not_shown(tmp_path, key):
    with pytest.raises(ValidationError, match="32 bytes") as caught:
        LocalKeyRing(path=tmp_path / "ring.json", key_encryption_key=SecretStr(key))
    assert "canary" not in str(caught.value)
