from __future__ import annotations

import io

import pytest
from PIL import Image
from prefect.testing.standard_test_suites import BlockStandardTestSuite, blocks
from pydantic import SecretStr

from blocks.backup_target import BackupTarget
from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.lakehouse import Lakehouse
from blocks.lookup.local_block_file import TYPES
from blocks.open_lineage_receiver import OpenLineageReceiver
from blocks.prefect_ui.block_type_descriptions import KEY_LOGO, STORAGE_LOGO
from blocks.run_settings import RunSettings
from blocks.source_database import SourceDatabase
from blocks.spark_runtime import SparkRuntime

OURS = (
    *(SourceDatabase, Lakehouse, SparkRuntime, LocalKeyRing, AwsKmsKeyRing, OpenLineageReceiver),
    *(BackupTarget, RunSettings),
)


def picture(url: str) -> io.BytesIO:
    """The network's part: Prefect serves these two, square and of this size."""
    assert url in {str(KEY_LOGO), str(STORAGE_LOGO)}
    file = io.BytesIO()
    Image.new("RGB", (250, 250)).save(file, "PNG")
    file.seek(0)
    return file


@pytest.mark.parametrize("block", OURS)
class TestOurBlocks(BlockStandardTestSuite):
    @pytest.fixture(autouse=True)
    def _network(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(blocks, "urlopen", picture)

    @pytest.fixture
    def block(self, request: pytest.FixtureRequest):
        return request.param


@pytest.mark.parametrize("block", OURS)
def test_names_and_slugs_are_strandlines_and_a_file_knows_them_without_it(block):
    slug = block.get_block_type_slug()

    assert block.get_block_type_name().startswith("Strandline ")
    assert slug == "strandline-" + next(name for name, kind in TYPES.items() if kind is block)


@pytest.mark.parametrize("block", OURS)
def test_whatever_is_named_like_a_secret_is_one(block):
    named = {
        name: field
        for name, field in block.model_fields.items()
        if any(word in name for word in ("password", "token", "secret", "encryption_key"))
    }

    assert {name for name, field in named.items() if field.annotation not in SECRET} == set()


SECRET = (SecretStr, SecretStr | None)
