"""Tokens under another key: what changes, what stays, what is refused."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pytest

from contracts.errors import DataError, KeyUnavailableError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.protection.aes_gcm_encryption import (
    _opening,
    _sealing,
)
from tasks.transforms.protection.token_layout import AES_256_GCM, header, key_mark
from tasks.transforms.protection.token_reencryption import _again, _meaning, _replaced, reencryption

OLD, OLDER, NEW = (DataKey(name, name.encode() * 8) for name in ("old-", "odd-", "new-"))
STRANGER, GONE = DataKey("who-", b"who-" * 8), DataKey("gone", b"gone" * 8)
TABLE, CANARY = "crm.customers", "canary-value-4711"
CLEAR = b"scanary-value-4711"


def how(digests=bytes(32)):
    keys = {key.id: key for key in (OLD, OLDER, NEW)}
    return reencryption(TABLE, keys, NEW, erased=frozenset({GONE.id}), digests=digests)


def sealed(key, column="c", value=CLEAR):
    (token,) = _sealing(key, TABLE, column)(pa.array([value], pa.binary())).to_pylist()
    return token


def opened(token, key, column="c"):
    return _opening({key.id: key}, TABLE, column, "s")(pa.array([token], pa.binary())).to_pylist()


@pytest.mark.parametrize("key", [OLD, OLDER], ids=lambda key: key.id)
def test_a_value_is_the_same_under_the_new_key(key):
    own, token = how().column("c"), sealed(key)

    again = own.again(token)

    assert again.startswith(header(AES_256_GCM, NEW.id))
    assert again[6:18] != token[6:18]  # another nonce
    assert opened(again, NEW) == [CLEAR]
    assert own.meaning(again) == own.meaning(token)
    assert own.again(again) == again


def test_what_differs_in_meaning_has_another_digest_and_no_digest_is_that_of_another_run():
    own, token = how().column("c"), sealed(OLD)

    assert own.meaning(token) != own.meaning(sealed(OLD, value=b"sanother"))
    assert own.meaning(token) != own.meaning(sealed(OLD, value=b"n" + CANARY.encode()))
    assert how(b"\1" * 32).column("c").meaning(token) != own.meaning(token)


def test_what_a_destroyed_key_made_stays_as_it_is():
    own, token = how().column("c"), sealed(GONE)

    assert own.again(token) == token
    assert own.meaning(token) != own.meaning(sealed(GONE))


def flipped(token):
    return token[:-1] + bytes([token[-1] ^ 1])


REFUSED = {
    "a key of nobody": (sealed(STRANGER), KeyUnavailableError, key_mark(STRANGER.id).hex()),
    "another column": (sealed(OLD, "other"), DataError, "another table or column"),
    "a flipped bit": (flipped(sealed(OLD)), DataError, "was changed"),
    "a cut token": (sealed(OLD)[:20], DataError, "no whole token"),
    "nothing": (b"", DataError, "no whole token"),
    "another version": (b"\2" + sealed(OLD)[1:], DataError, "version 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_does_not_open_stops_it_and_shows_no_value(case):
    token, error, told = REFUSED[case]
    own = how().column("c")
    for act in (own.again, own.meaning):
        with pytest.raises(error, match=told) as caught:
            act(token)
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("url_safe", [True, False])
def test_a_row_changes_in_its_tokens_alone_to_the_letter(url_safe):
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode

    def text_of(token):
        text = encode(token).decode()
        return text.rstrip("=") if url_safe else text

    tokens = {"name": sealed(OLD, "source:name"), "mail": sealed(NEW, "source:mail")}
    parts = {name: text_of(token) for name, token in tokens.items()}
    row = (
        f'{{"weight":1.50, "name":"{parts["name"]}","mail":"{parts["mail"]}",'
        '"none":null,"text":"a \\"quoted\\" \\u00fc","big":12345678901234567890.10}'
    )
    own = {name: how().column(f"source:{name}") for name in ("name", "mail", "none", "absent")}

    again = _replaced(row, own, _again, url_safe=url_safe)

    changed = json.loads(again)["name"]
    assert changed != parts["name"]
    assert again.replace(changed, parts["name"]) == row
    assert _replaced(row, own, _meaning, url_safe=url_safe) == _replaced(
        again, own, _meaning, url_safe=url_safe
    )
    padded = changed + "=" * (-len(changed) % 4)
    decode = base64.urlsafe_b64decode if url_safe else base64.b64decode
    assert opened(decode(padded), NEW, "source:name") == [CLEAR]


@pytest.mark.parametrize("value", ["Ada Pell", "", "AQ", "AQEB", "ü ü", "0.10", "a+b/c="])
@pytest.mark.parametrize("url_safe", [True, False])
def test_a_value_from_before_its_column_was_sensitive_stays_as_it_is(value, url_safe):
    row = json.dumps({"name": value}, ensure_ascii=False)
    own = {"name": how().column("source:name")}

    assert _replaced(row, own, _again, url_safe=url_safe) == row
    assert _replaced(row, own, _meaning, url_safe=url_safe) == row
