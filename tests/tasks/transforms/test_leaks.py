from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.transforms.hashing.hmac_sha256 import key_blocks
from tests.tasks.transforms.leaking import KEYS, VALUE

ROOT = Path(__file__).parents[3]


def forms(secret):
    """The octets in every form in which a plan or a log might write them, without case."""
    encoded = {base64.b64encode(secret[skipped:]).rstrip(b"=")[:-1] for skipped in range(3)}
    return {
        secret, secret.hex().encode(), secret.hex(" ").encode(), *encoded,
        *{each.translate(bytes.maketrans(b"+/", b"-_")) for each in encoded},
        str(list(secret)).encode(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """Where every keyed transform ran over a canary: its folder, and all it printed."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "events").mkdir()
    outcome = subprocess.run(
        [sys.executable, "-m", "tests.tasks.transforms.leaking", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr.decode()[-3000:]
    return folder, outcome.stdout + outcome.stderr


def written(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


SECRETS = {
    f"{name} {part}": octets
    for name, key in {
        **{
            name: getattr(KEYS, name).material
            for name in ("fingerprint", "pseudonym", "encryption")
        },
        "deterministic": KEYS.deterministic[None].material,
    }.items()
    for part, octets in zip(
        ("key", "inner block", "outer block"), (key, *key_blocks(key)), strict=True
    )
}


@pytest.mark.parametrize("secret", SECRETS)
def test_no_key_is_in_a_plan_the_event_log_or_the_stage(traces, secret):
    folder, printed = traces
    events = written(folder / "events")
    assert b"SparkListenerSQLExecutionStart" in events
    assert b"BroadcastNestedLoopJoin" in printed
    everything = (printed + events + written(folder / "stage")).lower()

    assert [form for form in forms(SECRETS[secret]) if form.lower() in everything] == []


def test_no_clear_value_is_in_a_plan_the_event_log_or_the_stage(traces):
    folder, printed = traces
    stage = written(folder / "stage")
    assert b"HARMLESS" in stage
    everything = (printed + written(folder / "events") + stage).lower()

    assert [form for form in forms(VALUE.encode()) if form.lower() in everything] == []


def test_the_search_finds_what_does_leak():
    secret = KEYS.encryption.material
    plan = f"aes_encrypt(value, 0x{secret.hex().upper()})".encode()
    padded = b"xx" + base64.b64encode(b"12" + secret)

    assert any(form.lower() in plan.lower() for form in forms(secret))
    assert any(form.lower() in padded.lower() for form in forms(secret))
    assert not any(form.lower() in b"nothing" for form in forms(secret))
