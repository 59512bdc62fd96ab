from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lookup import block_lookup
from blocks.lookup.local_block_file import BlockFile
from blocks.run_settings import RunSettings
from contracts.errors import SettingsError

ROOT = Path(__file__).parents[3]
CANARY = "canary-of-a-secret"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No server and no file but what a test brings."""
    monkeypatch.delenv(block_lookup.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def written(text: str, mode: int = 0o600) -> Path:
    path = Path(".strandline/blocks.yaml").absolute()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(act) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        act()
    shown = f"{caught.value!r}{caught.value.__cause__!r}"
    assert CANARY not in shown
    assert KEY not in shown
    return caught.value


def secrets_of(settings: RunSettings) -> tuple[str, str]:
    credentials = settings.lakehouse.aws_credentials
    return (
        credentials.aws_secret_access_key.get_secret_value(),
        settings.key_ring.key_encryption_key.get_secret_value(),
    )


def test_what_is_written_is_found_again(tmp_path, place):
    path = block_lookup.save_local(tmp_path / ".strandline" / "blocks.yaml", *place(side_by_side=5))
    settings = block_lookup.settings()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings.side_by_side == 5
    assert settings.contracts_directory is None
    assert settings.spark.packages == ("org.example:more:1",)
    assert settings.key_ring.path == tmp_path / "keys" / "ring.json"
    assert secrets_of(settings) == (CANARY, KEY)
    source = block_lookup.source("source_db_conn")
    assert source.user == "reader"
    assert source.password.get_secret_value() == CANARY


def test_a_block_that_several_hold_is_written_once_by_name(tmp_path, place):
    path = block_lookup.save_local(tmp_path / "blocks.yaml", *place())
    document = yaml.safe_load(path.read_text())["run-settings"]["default"]

    assert document["spark"] == document["lakehouse"] == document["key_ring"] == "local"
    assert path.read_text().count(KEY) == 1


def test_a_block_inside_another_is_written_there_when_it_has_no_name(tmp_path, place):
    path = block_lookup.save_local(tmp_path / "blocks.yaml", place()[-1])

    assert BlockFile.read(path).block(RunSettings, "default").lakehouse.region is None
    assert secrets_of(BlockFile.read(path).block(RunSettings, "default")) == (CANARY, KEY)


def test_a_named_file_goes_before_the_usual_one_and_before_a_server(tmp_path, monkeypatch, place):
    block_lookup.save_local(tmp_path / ".strandline" / "blocks.yaml", *place(side_by_side=1))
    named = block_lookup.save_local(tmp_path / "named.yaml", *place(side_by_side=2))
    assert block_lookup.settings().side_by_side == 1
    monkeypatch.setenv(block_lookup.VARIABLE, str(named))

    assert block_lookup.settings().side_by_side == 2
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        assert block_lookup.settings().side_by_side == 2


@pytest.mark.parametrize(
    ("connection", "name"),
    [("source_db_conn", "source-db-conn"), (" CRM_Main ", "crm-main"), ("crm-main", "crm-main")],
)
def test_a_connection_is_a_block_of_its_name_with_dashes(connection, name):
    assert block_lookup.block_name(connection) == name


def test_a_value_comes_from_the_environment_or_from_a_file(monkeypatch):
    path = written(
        """
        source-database:
          crm: {user: {env: CRM_USER}, password: {file: crm-password}}
        """
    )
    (path.parent / "crm-password").write_text(f"{CANARY}\n")
    monkeypatch.setenv("CRM_USER", "from-outside")
    source = block_lookup.source("crm")

    assert source.user == "from-outside"
    assert source.password.get_secret_value() == CANARY


def test_without_a_secret_in_it_the_file_may_be_read_by_others(monkeypatch):
    monkeypatch.setenv("CRM_PASSWORD", CANARY)
    written("source-database: {crm: {user: reader, password: {env: CRM_PASSWORD}}}", mode=0o644)

    assert block_lookup.source("crm").password.get_secret_value() == CANARY


@pytest.mark.parametrize(
    "text",
    [
        f"source-database: {{crm: {{user: reader, password: {CANARY}}}}}",
        f"lakehouse: {{l: {{kind: glue, aws_credentials: {{aws_secret_access_key: {CANARY}}}}}}}",
    ],
    ids=["a field", "a nested field"],
)
def test_a_secret_that_others_can_read_is_refused(text):
    path = written(text, mode=0o640)

    error = refusal(lambda: list(BlockFile.read(path).blocks()))
    assert "0640" in error.found
    assert f"chmod 600 {path}" in error.next_step


def test_no_file_and_no_server_says_what_to_do():
    error = refusal(block_lookup.settings)

    assert error.where.startswith(f"project {Path.cwd()}")
    assert "strandline init" in error.next_step
    assert block_lookup.VARIABLE in error.next_step
    assert "PREFECT_API_URL" in error.next_step


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"source-database:\n  crm:\n    password: '{CANARY}", "line 3"),
        (f"- {CANARY}", "map of types"),
        (f"sauce-database: {{crm: {{password: {CANARY}}}}}", "source-database"),
        ("source-database: {crm: 5}", "map of types"),
        ("source-database: {crm: {5: 5}}", "map of types"),
        ("source-database: {other: {}}", "other"),
        ("lakehouse: {}", "none of this type"),
        (f"source-database: {{crm: {{user: u, pasword: {CANARY}}}}}", "pasword"),
        (f"source-database: {{crm: {{user: u, port: {CANARY}}}}}", "port"),
        (f"source-database: {{crm: {{password: {CANARY}}}}}", "user is needed"),
        ("source-database: {crm: {user: {env: NOT_SET_ANYWHERE}}}", "NOT_SET_ANYWHERE"),
        ("source-database: {crm: {user: {file: not-there}}}", "not-there"),
    ],
)
def test_a_mistake_in_the_file_is_named_and_no_value_shown(text, named):
    written(text)

    assert named in str(refusal(lambda: block_lookup.source("crm")))


def test_a_missing_part_is_named_as_such():
    written("run-settings: {default: {spark: here, lakehouse: there, key_ring: nowhere}}")

    error = refusal(block_lookup.settings)
    assert "spark-runtime here" in error.where


def test_a_file_that_is_no_text_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv(block_lookup.VARIABLE, str(tmp_path / "binary"))

    assert "binary" in refusal(block_lookup.settings).where


def test_a_block_file_shows_nothing_of_its_content(tmp_path, place):
    path = block_lookup.save_local(tmp_path / "blocks.yaml", *place())

    assert CANARY not in repr(BlockFile.read(path))


def test_registering_needs_a_server(tmp_path, place):
    path = block_lookup.save_local(tmp_path / "blocks.yaml", *place())

    assert "PREFECT_API_URL" in refusal(lambda: block_lookup.register(path)).next_step


def test_a_server_that_does_not_answer_is_named():
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        error = refusal(block_lookup.settings)

    assert "PREFECT_API_URL" in error.next_step


RINGS = """
local-key-ring:
  here: {path: keys.json, key_encryption_key: {env: KEY}, period: year, use_limit: 1000}
  both: {path: keys.json, key_encryption_key: {env: KEY}}
aws-credentials:
  loads: {region_name: eu-west-1}
aws-kms-key-ring:
  cloud: {key_id: alias/keys, location: s3://keys/ring.json, aws_credentials: loads}
  both: {key_id: alias/keys, location: s3://keys/ring.json}
spark-runtime: {local: {master: "local[1]"}}
lakehouse: {local: {warehouse: w, embedded_directory: p}}
run-settings:
  local: {spark: local, lakehouse: local, key_ring: here}
  amazon: {spark: local, lakehouse: local, key_ring: cloud}
  inside:
    spark: local
    lakehouse: local
    key_ring: {kind: aws-kms-key-ring, key_id: a, location: b}
  unclear: {spark: local, lakehouse: local, key_ring: both}
  unknown: {spark: local, lakehouse: local, key_ring: {kind: paper, path: b}}
"""


def test_run_settings_take_any_kind_of_key_ring_by_name(monkeypatch):
    monkeypatch.setenv("KEY", base64.b64encode(b"k" * 32).decode())
    written(RINGS)

    local, amazon, inside = (
        block_lookup.settings(name).key_ring for name in ("local", "amazon", "inside")
    )

    assert (type(local), local.period, local.use_limit) == (LocalKeyRing, "year", 1000)
    assert (type(amazon), amazon.aws_credentials.region_name) == (AwsKmsKeyRing, "eu-west-1")
    assert (type(inside), inside.key_id) == (AwsKmsKeyRing, "a")
    assert type(block_lookup.key_ring("aws-kms-key-ring/both")) is AwsKmsKeyRing
    assert type(block_lookup.key_ring("both")) is LocalKeyRing
    with pytest.raises(SettingsError, match="several: local-key-ring, aws-kms-key-ring"):
        block_lookup.settings("unclear")
    with pytest.raises(SettingsError, match="paper"):
        block_lookup.settings("unknown")


def test_a_package_brings_a_ring_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "paper_ring.py").write_text(
        "from typing import Literal\n"
        "from pydantic import Field\n"
        "from blocks.key_rings.local_key_ring import LocalKeyRing\n"
        "class PaperKeyRing(LocalKeyRing):\n"
        "    _block_type_slug = 'paper-key-ring'\n"
        "    kind: Literal['paper-key-ring'] = Field(default='paper-key-ring', description='k')\n"
    )
    info = tmp_path / "paper_ring-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper-ring\nVersion: 1\n")
    entry = "[strandline.key_rings]\npaper-key-ring = paper_ring:PaperKeyRing\n"
    (info / "entry_points.txt").write_text(entry)
    (tmp_path / "blocks.yaml").write_text(
        "paper-key-ring: {desk: {path: keys.json, key_encryption_key: {env: KEY}}}\n"
        "spark-runtime: {local: {}}\n"
        "lakehouse: {local: {warehouse: w, embedded_directory: p}}\n"
        "run-settings: {default: {spark: local, lakehouse: local, key_ring: desk}}\n"
    )
    show = (
        "from blocks.lookup import block_lookup as b; s = b.settings(); "
        "print(type(s.key_ring).__name__, type(b.key_ring('paper-key-ring/desk')).__name__)"
    )

    def run():
        return subprocess.run(
            [sys.executable, "-c", show],
            env={
                **os.environ,
                "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
                "STRANDLINE_BLOCKS": str(tmp_path / "blocks.yaml"),
                "KEY": base64.b64encode(b"k" * 32).decode(),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert run().stdout.split() == ["PaperKeyRing", "PaperKeyRing"]
    (info / "entry_points.txt").write_text(entry.replace("paper-key-ring =", "local-key-ring ="))
    assert "entry point local-key-ring of strandline.key_rings" in run().stderr
