"""No key is pickled in the clear, and what is pickled opens in its own session alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F

from contracts.errors import KeyUnavailableError
from contracts.model.encryption_keys import DataKey
from tasks.transforms.hashing.hmac_sha256 import _bring_blocks, key_blocks
from tasks.transforms.protection import key_transport
from tasks.transforms.protection.aes_gcm_encryption import _opening, _sealing, decrypted, token
from tasks.transforms.protection.key_transport import carried
from tasks.transforms.protection.token_reencryption import reencryption
from tests.tasks.transforms.test_leaks import forms

ROOT = Path(__file__).parents[4]
KEY = DataKey("e1", b"encryption-key-canary-012345678!")

PICKLED = {
    "encrypting": (lambda: _sealing(KEY, "t", "c"), KEY.material),
    "decrypting": (lambda: _opening({"e1": KEY}, "t", "c", "s"), KEY.material),
    "hashing, inner": (lambda: _bring_blocks(KEY.material), key_blocks(KEY.material)[0]),
    "hashing, outer": (lambda: _bring_blocks(KEY.material), key_blocks(KEY.material)[1]),
    "encrypting again": (
        lambda: reencryption("t", {"e1": KEY}, KEY, erased=frozenset(), digests=bytes(32)),
        KEY.material,
    ),
}


@pytest.mark.parametrize("case", PICKLED)
def test_what_spark_sends_to_workers_has_no_key(case):
    make, secret = PICKLED[case]
    sent = cloudpickle.dumps(make()).lower()

    assert [form for form in forms(secret) if form.lower() in sent] == []
    assert b"transport-" in sent


def test_the_search_would_find_a_key_in_a_closure():
    material = KEY.material
    sent = cloudpickle.dumps(lambda: material).lower()

    assert [form for form in forms(material) if form.lower() in sent]


def test_a_data_key_itself_can_not_be_pickled():
    for write in (pickle.dumps, cloudpickle.dumps):
        with pytest.raises(TypeError, match="never pickled"):
            write(KEY)
        with pytest.raises(TypeError, match="never pickled"):
            write({"of a closure": [KEY]})


def test_another_process_does_not_open_it_and_says_why(tmp_path):
    sent = carried("e1", KEY.material)
    (tmp_path / "sent").write_bytes(pickle.dumps(sent))
    read = (
        "import pickle, sys; from pyspark import SparkFiles; "
        "SparkFiles._is_running_on_worker, SparkFiles._root_directory = True, sys.argv[1]; "
        "pickle.load(open(sys.argv[1] + '/sent', 'rb')).opened()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", read, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "KeyUnavailableError: data key e1" in ended.stderr
    assert sent.opened() == KEY.material


def test_a_damaged_secret_is_refused_without_being_shown():
    sent = carried("e1", KEY.material)
    flipped = sent.wrapped[:-1] + bytes([sent.wrapped[-1] ^ 1])
    damaged = key_transport.CarriedSecret("e1", flipped, sent.file)

    with pytest.raises(KeyUnavailableError, match="InvalidUnwrap"):
        damaged.opened()
    assert "wrapped" not in repr(sent)


def test_the_transport_key_is_its_owners_alone_here_and_in_the_workers(spark):
    path, _ = key_transport._own()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    other = spark.newSession()
    value = token(F.lit("x"), kind="string", key=KEY, table="t", column="c")
    clear = decrypted(F.col("c"), {"e1": KEY}, table="t", column_name="c", kind="string")

    assert other.range(1).select(value.alias("c")).select(clear).collect()[0][0] == "x"
    (copy,) = Path(_root(spark)).glob(path.name)
    assert copy.stat().st_mode & 0o044 == 0  # nobody else reads it


def _root(spark):
    from pyspark import SparkFiles

    return SparkFiles.getRootDirectory()


@pytest.mark.nightly
def test_keys_reach_the_workers_of_two_sessions_over_spark_connect():
    ended = subprocess.run(
        [sys.executable, "-m", "tests.tasks.transforms.protection.keys_over_connect"],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "True [('0', " in ended.stdout, ended.stderr[-2000:]
