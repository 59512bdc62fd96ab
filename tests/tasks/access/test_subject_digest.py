"""The name of a record in the audit log: the same for the same record, and for nobody to guess."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import pytest

from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.errors import KeyUnavailableError
from tasks.access.decrypt_versions import subject_digest
from tests.tasks.access.matrix import contract_with

CONTRACT = replace(contract_with([]), key=("id", "status"))


@pytest.fixture
def settings(tmp_path):
    ring = LocalKeyRing(path=tmp_path / "keys.json", key_encryption_key=LocalKeyRing.generate_key())
    ring.keys_for(CONTRACT.target, create=True)
    return SimpleNamespace(key_ring=ring)


def test_it_is_an_hmac_of_table_and_key(settings):
    secret = settings.key_ring.keys_for(CONTRACT.target, create=False).fingerprint.material
    message = b"strandline subject 1\n12:wards.matrix2:id1:76:status2:\xc3\xa4"

    digest = subject_digest(settings, CONTRACT, {"status": "ä", "id": 7})

    assert digest == hmac.new(secret, message, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Decimal("1.50"), Decimal("1.5")),
        (Decimal(100), Decimal("1E+2")),
        (
            datetime.fromisoformat("2024-01-01T00:00:00+00:00"),
            datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_equal_keys_have_one_name_however_they_were_typed(settings, one, other):
    first, second = (
        subject_digest(settings, CONTRACT, {"id": value, "status": "A"}) for value in (one, other)
    )

    assert first == second


def test_other_keys_tables_and_rings_give_other_names(settings, tmp_path):
    def digest(contract=CONTRACT, **key):
        return subject_digest(settings, contract, key)

    moved = replace(CONTRACT, table="other")
    settings.key_ring.keys_for(moved.target, create=True)
    names = {
        digest(id="1", status="23"),
        digest(id="12", status="3"),
        digest(id="1", status="2"),
        digest(moved, id="1", status="23"),
    }
    assert len(names) == 4

    lost = replace(CONTRACT, table="never_loaded")
    with pytest.raises(KeyUnavailableError):
        digest(lost, id="1", status="2")
