"""Tokens under keys of persons: who opens them, what is refused, what goes with a record."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from contracts.errors import DataError, KeyUnavailableError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.protection.aes_gcm_encryption import encrypted
from tasks.transforms.protection.column_protection import KNOWN_KEY, SUBJECT
from tasks.transforms.protection.subject_key_encryption import (
    key_id_of_record,
    key_id_of_token,
    opened_record,
    rewrapped,
    subject_decrypted,
    subject_keyring,
    subject_token,
)
from tasks.transforms.protection.token_layout import key_mark
from tasks.transforms.subject_keys import (
    KEY_OF_TOKENS,
    MADE_KEY,
    SUBJECT_KEY,
    SubjectKeys,
    with_keys_of_tokens,
    with_known_keys,
    with_made_keys,
)

TABLE = "crm.customers"
OLD, NEW = DataKey("0a0a0a0a", b"old-" * 8), DataKey("0b0b0b0b", b"new-" * 8)
BOTH = {OLD.id: OLD, NEW.id: NEW}
ADA, BO = "a" * 64, "b" * 64
ROWS = [(1, ADA, "Ada Pell"), (2, ADA, "Pell"), (3, BO, "Bo"), (4, None, "nobody"), (5, BO, None)]


def sealed(spark, rows=ROWS, known=(), key=OLD):
    """The rows as one pass stores them: id, `SUBJECT`, the token `name`, `MADE_KEY`."""
    held = spark.createDataFrame([*known], f"subject_digest string, {SUBJECT_KEY} binary")
    keys = SubjectKeys(held, subject_keyring(key, BOTH))
    clear = spark.createDataFrame(rows, f"id int, {SUBJECT} string, name string")
    clear = with_known_keys(clear.repartition(2), keys)
    token = subject_token(
        clear.name,
        clear[SUBJECT],
        clear[KNOWN_KEY],
        keys.keyring,
        kind="string",
        key=key,
        table=TABLE,
        column="name",
    )
    frame = with_made_keys(clear.withColumn("name", token), keys)
    return spark.createDataFrame(frame.collect(), frame.schema)


def records(frame):
    """By person, the record that a pass made."""
    rows = frame.where(frame[MADE_KEY].isNotNull()).select(SUBJECT, MADE_KEY).distinct().collect()
    return {row[0]: bytes(row[1]) for row in rows}


def opened(spark, frame, held, *, column="name", kind="string"):
    ledger = spark.createDataFrame([(each,) for each in held], f"{SUBJECT_KEY} binary")
    rows = with_keys_of_tokens(frame, [frame["name"]], ledger)
    value = subject_decrypted(
        rows["name"], rows[KEY_OF_TOKENS], BOTH, table=TABLE, column_name=column, kind=kind
    )
    return {row[0]: row[1] for row in rows.select("id", value).collect()}


@pytest.fixture(scope="module")
def stored(spark):
    return sealed(spark)


def test_each_person_has_one_key_in_all_of_a_pass_and_rows_about_nobody_have_the_tables(
    spark, stored
):
    made = records(stored)

    assert made.keys() == {ADA, BO}
    assert opened(spark, stored, made.values()) == {row[0]: row[2] for row in ROWS}
    ids = {row[0]: row[1] for row in stored.select("id", key_id_of_token(stored.name)).collect()}
    assert ids[1] == ids[2] != ids[3]
    assert (ids[4], ids[5]) == (None, None)
    assert made[ADA][4:20] == bytes(ids[1])


def test_a_person_who_has_a_key_gets_no_other_and_one_without_gets_another_each_time(spark, stored):
    made = records(stored)

    again = sealed(spark, known=[(ADA, made[ADA])], key=NEW)

    later = records(again)
    assert later.keys() == {BO}
    assert later[BO][4:20] != made[BO][4:20]
    assert later[BO][:4] == key_mark(NEW.id)
    assert opened(spark, again, [made[ADA], later[BO]]) == {row[0]: row[2] for row in ROWS}


def test_without_the_record_of_a_person_nobody_opens_what_is_about_them(spark, stored):
    made = records(stored)
    about_bo = stored.where(f"{SUBJECT} = '{BO}'")

    assert opened(spark, about_bo, [made[BO]])[3] == "Bo"
    with pytest.raises(Exception, match="the key goes with its person") as caught:
        opened(spark, stored, [made[ADA]])
    assert "Bo" not in str(caught.value).replace("Boolean", "")
    # All data keys and all other persons' keys are here. His would be no more than a guess.
    assert not any(made[BO][4:20] in record for record in [made[ADA]])


def test_the_key_is_made_of_a_secret_that_nobody_keeps(stored):
    """NIST SP 800-108r1, 4.1, with HMAC-SHA-256: counter, label, separator, context, length."""
    keyring = subject_keyring(OLD, BOTH)
    persons = keyring.persons()

    key_id, key = persons.of(ADA, None)

    def derived(label):
        message = b"\0\0\0\1" + label + b"\0" + ADA.encode() + b"\0\0\1\0"
        return hmac.new(keyring.secret.opened(), message, hashlib.sha256).digest()

    assert (key_id, key) == (derived(b"id")[:16], derived(b"key"))
    assert opened_record(persons.record(ADA), {key_mark(OLD.id): [OLD.material]}) == (key_id, key)
    assert subject_keyring(OLD, BOTH).persons().of(ADA, None) != (key_id, key)
    assert "secret" not in repr(keyring)


def test_another_data_key_wraps_the_same_key_and_the_tokens_stay(spark, stored):
    made = records(stored)
    ledger = spark.createDataFrame([(each,) for each in made.values()], f"{SUBJECT_KEY} binary")

    rows = ledger.select(
        key_id_of_record(ledger[SUBJECT_KEY]).alias("id"),
        rewrapped(ledger[SUBJECT_KEY], NEW, BOTH).alias("again"),
    ).collect()

    again = {bytes(row.id): bytes(row.again) for row in rows}
    for record in made.values():
        new = again[record[4:20]]
        assert new[:4] == key_mark(NEW.id)
        assert aes_key_unwrap(NEW.material, new[20:]) == aes_key_unwrap(OLD.material, record[20:])
    assert opened(spark, stored, again.values()) == {row[0]: row[2] for row in ROWS}


@pytest.mark.parametrize(
    ("change", "match"),
    {
        "another column": ({"column": "nick"}, "made for another table or column"),
        "another type": ({"kind": "int"}, "another type than the column's"),
    }.values(),
    ids=lambda case: str(case)[:20],
)
def test_a_token_opens_only_where_it_belongs(spark, stored, change, match):
    with pytest.raises(Exception, match=match):
        opened(spark, stored.where("id = 1"), records(stored).values(), **change)


def test_a_changed_token_and_one_of_another_person_are_refused(spark, stored):
    made = records(stored)
    (token,) = [bytes(row.name) for row in stored.where("id = 1").collect()]
    changed = {
        "a bit": token[:-1] + bytes([token[-1] ^ 1]),
        # Bo's key is there, and does not fit.
        "a person": token[:2] + made[BO][4:20] + token[18:],
    }
    for each in changed.values():
        frame = spark.createDataFrame([(1, bytearray(each))], "id int, name binary")
        with pytest.raises(Exception, match="a token that was changed"):
            opened(spark, frame, made.values())
    cut = spark.createDataFrame([(1, bytearray(token[:30]))], "id int, name binary")
    with pytest.raises(Exception, match="30 octets, which is no whole token"):
        opened(spark, cut, made.values())


def test_a_record_that_no_key_wraps_or_that_was_changed_is_told_from_another(stored):
    record, by_mark = records(stored)[ADA], {key_mark(OLD.id): [OLD.material]}

    with pytest.raises(KeyUnavailableError, match="no key with the mark"):
        opened_record(key_mark(NEW.id) + record[4:], by_mark)
    with pytest.raises(DataError, match="changed, or another table's"):
        opened_record(record[:-1] + bytes([record[-1] ^ 1]), by_mark)
    with pytest.raises(DataError, match="59 octets, not 60"):
        opened_record(record[:-1], by_mark)


def test_tokens_from_before_persons_had_keys_open_as_ever(spark, stored):
    clear = spark.createDataFrame([(9, "before")], "id int, name string")
    before = encrypted(clear, {"name": clear.name}, key=OLD, table=TABLE)

    both = before.unionByName(stored.select("id", "name"))

    values = opened(spark, both, records(stored).values())
    assert (values[9], values[1]) == ("before", "Ada Pell")
