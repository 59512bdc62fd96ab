"""Tokens that were moved, swapped, cut or changed in a bit: each is refused with its own error."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import DataError, KeyUnavailableError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.protection import aes_gcm_encryption as gcm
from tasks.transforms.protection import aes_siv_encryption as siv
from tasks.transforms.protection import subject_key_encryption as of_subject
from tasks.transforms.protection.token_layout import key_mark

TABLE, COLUMN = "lake.target_schema.people", "name"


class Gcm:
    keys = (DataKey("key-1", bytes(range(32))), DataKey("key-2", bytes(range(1, 33))))
    least = 6 + 12 + 16

    @staticmethod
    def seal(value, key, table=TABLE, column=COLUMN):
        return one(gcm._sealing(key, table, column), value)

    @staticmethod
    def open(token, keys, letter="s"):
        return one(gcm._opening({k.id: k for k in keys}, TABLE, COLUMN, letter), token)


class Siv:
    keys = (DataKey("key-1", bytes(range(64))), DataKey("key-2", bytes(range(1, 65))))
    least = 6 + 16 + 1

    @staticmethod
    def seal(value, key, table=TABLE, column=COLUMN):
        return one(siv._sealing(key, siv.Scope(table, column)), value)

    @staticmethod
    def open(token, keys, letter="s"):
        scope = siv.Scope(TABLE, COLUMN)
        return one(siv._opening({k.id: k for k in keys}, scope, letter), token)


def one(batch, octets):
    return batch(pa.array([octets], pa.binary())).to_pylist()[0]


BOTH = pytest.mark.parametrize("how", [Gcm, Siv], ids=lambda each: each.__name__)
plains = st.binary(max_size=60).map(lambda body: b"s" + body)
names = st.text(min_size=1, max_size=12)


def refused(how, token, keys=None, letter="s", plain=b""):
    with pytest.raises((DataError, KeyUnavailableError)) as caught:
        how.open(token, how.keys if keys is None else keys, letter)
    said = str(caught.value)
    for key in how.keys:
        assert key.material.hex() not in said
    if len(plain) > 8:
        assert plain.decode("utf-8", "replace") not in said
    return caught.value


@BOTH
@given(plain=plains)
def test_a_token_opens_where_it_was_made(how, plain):
    assert how.open(how.seal(plain, how.keys[0]), how.keys) == plain


@BOTH
@given(plain=plains, data=st.data())
def test_a_flipped_bit_is_refused_by_what_it_hits(how, plain, data):
    token = how.seal(plain, how.keys[0])
    bit = data.draw(st.integers(0, 8 * len(token) - 1))
    flipped = bytearray(token)
    flipped[bit // 8] ^= 1 << bit % 8

    error = refused(how, bytes(flipped), plain=plain)

    if bit < 8:
        assert f"a token of version {flipped[0]}" in error.found
    elif bit < 16:
        assert f"a token of algorithm {flipped[1]}" in error.found
    elif bit < 48:
        assert isinstance(error, KeyUnavailableError)
        assert bytes(flipped[2:6]).hex() in error.found
    else:
        assert "a token that was changed" in error.found


@BOTH
@given(plain=plains, data=st.data())
def test_a_cut_token_is_refused(how, plain, data):
    token = how.seal(plain, how.keys[0])
    length = data.draw(st.integers(0, len(token) - 1))

    error = refused(how, token[:length])

    assert ("no whole token" if length < how.least else "was changed") in error.found


@BOTH
@given(plain=plains, tail=st.binary(min_size=1, max_size=20))
def test_a_token_with_something_behind_it_is_refused(how, plain, tail):
    assert "was changed" in refused(how, how.seal(plain, how.keys[0]) + tail).found


@BOTH
@given(plain=plains, table=names, column=names)
def test_a_token_of_another_table_or_column_is_refused(how, plain, table, column):
    if (table, column) == (TABLE, COLUMN):
        return
    moved = how.seal(plain, how.keys[0], table, column)
    shifted = how.seal(plain, how.keys[0], TABLE + COLUMN[0], COLUMN[1:])

    for token in (moved, shifted):
        assert "made for another" in refused(how, token).found


@BOTH
@given(plain=plains, other=plains)
def test_parts_of_two_tokens_make_no_third(how, plain, other):
    first, second = how.seal(plain, how.keys[0]), how.seal(other, how.keys[0])
    middle = how.least - 16 if how is Gcm else 22
    swapped = first[:middle] + second[middle:]
    if swapped in (first, second):
        return

    assert "was changed" in refused(how, swapped).found


@BOTH
@given(plain=plains)
def test_a_token_of_another_key_is_refused(how, plain):
    key, other = how.keys
    token = how.seal(plain, key)
    renamed = token[:2] + key_mark(other.id) + token[6:]

    assert isinstance(refused(how, token, keys=[other]), KeyUnavailableError)
    assert "was changed" in refused(how, renamed).found
    assert "was changed" in refused(how, token, keys=[DataKey(key.id, other.material)]).found


@BOTH
@given(plain=plains)
def test_a_value_of_another_type_is_refused(how, plain):
    assert "another type" in refused(how, how.seal(plain, how.keys[0]), letter="n").found


@given(plain=plains)
def test_one_algorithm_does_not_open_tokens_of_the_other(plain):
    random, deterministic = Gcm.seal(plain, Gcm.keys[0]), Siv.seal(plain, Siv.keys[0])

    assert "algorithm 2, not 1" in refused(Gcm, deterministic.ljust(40, b"\0")).found
    assert "algorithm 1, not 2" in refused(Siv, random).found
    relabelled = deterministic[:1] + b"\x01" + deterministic[2:].ljust(40, b"\0")
    assert "was changed" in refused(Gcm, relabelled).found


@given(one_value=plains, other_value=plains)
def test_deterministic_tokens_are_equal_exactly_where_the_values_are(one_value, other_value):
    first, second = (Siv.seal(each, Siv.keys[0]) for each in (one_value, other_value))

    assert (first == second) is (one_value == other_value)
    assert Gcm.seal(one_value, Gcm.keys[0]) != Gcm.seal(one_value, Gcm.keys[0])


ADA, BO = "a" * 64, "b" * 64
KEYRING = of_subject.subject_keyring(Gcm.keys[0], {key.id: key for key in Gcm.keys})
RECORDS = {who: KEYRING.persons().record(who) for who in (ADA, BO)}


def sealed_of(who, plain, table=TABLE, column=COLUMN):
    seal = of_subject._sealing(KEYRING, Gcm.keys[0], table, column)
    values, digests = pa.array([plain], pa.binary()), pa.array([who], pa.string())
    return seal(values, digests, pa.nulls(1, pa.binary())).to_pylist()[0]


def opened_by(record, token, letter="s", keys=Gcm.keys):
    open_all = of_subject._opening({key.id: key for key in keys}, TABLE, COLUMN, letter)
    return open_all(pa.array([token], pa.binary()), pa.array([record], pa.binary())).to_pylist()[0]


def refused_to(record, token, **more):
    with pytest.raises((DataError, KeyUnavailableError)) as caught:
        opened_by(record, token, **more)
    return caught.value


@given(plain=plains, table=names, column=names)
def test_a_token_of_a_person_opens_with_their_key_alone_where_it_was_made(plain, table, column):
    token = sealed_of(ADA, plain)

    assert opened_by(RECORDS[ADA], token) == plain
    assert "was changed" in refused_to(RECORDS[BO], token).found
    assert "no record of the key" in refused_to(None, token).found
    assert "no key with the mark" in refused_to(RECORDS[ADA], token, keys=Gcm.keys[1:]).found
    assert "another type" in refused_to(RECORDS[ADA], token, letter="n").found
    if (table, column) != (TABLE, COLUMN):
        moved = sealed_of(ADA, plain, table, column)
        assert "made for another" in refused_to(RECORDS[ADA], moved).found


@given(plain=plains, data=st.data())
def test_a_changed_token_of_a_person_is_refused_by_what_was_changed(plain, data):
    token = sealed_of(ADA, plain)
    bit = data.draw(st.integers(0, 8 * len(token) - 1))
    length = data.draw(st.integers(0, len(token) - 1))
    flipped = bytearray(token)
    flipped[bit // 8] ^= 1 << bit % 8

    error = refused_to(RECORDS[ADA], bytes(flipped))
    cut = refused_to(RECORDS[ADA], token[:length])

    if bit < 16:
        # It is taken for one of the table's key.
        said = (f"version {flipped[0]}", f"algorithm {flipped[1]}", "no key with the mark")
        assert any(each in error.found for each in said)
    else:
        assert "a token that was changed" in error.found
    assert ("no whole token" if length < 46 else "was changed") in cut.found
    assert "was changed" in refused_to(RECORDS[ADA], token + b"x").found


@given(data=st.data())
def test_a_changed_record_of_a_persons_key_opens_nothing(data):
    token = sealed_of(ADA, b"svalue")
    bit = data.draw(st.integers(0, 8 * len(RECORDS[ADA]) - 1))
    changed = bytearray(RECORDS[ADA])
    changed[bit // 8] ^= 1 << bit % 8

    error = refused_to(bytes(changed), token)

    if bit < 32:
        assert isinstance(error, KeyUnavailableError)
    else:
        assert "changed" in error.found
