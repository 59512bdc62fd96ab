"""A relative path in a block file is taken from its project, wherever one stands."""

from __future__ import annotations

import pytest
import yaml

from blocks.lookup import block_lookup

KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
BLOCKS = {
    "source-database": {
        "lite": {"dialect": "sqlite", "database": "data/shop.db"},
        "pg": {"user": "me", "database": "shop", "ssl_root_certificate": "ca.pem"},
    },
    "spark-runtime": {"local": {"log_directory": "logs"}},
    "lakehouse": {
        "local": {"warehouse": "lake", "uri": "jdbc:sqlite:catalog.db?busy_timeout=9"},
        "far": {"warehouse": "s3://bucket/lake", "kind": "glue", "region": "eu-west-1"},
    },
    "local-key-ring": {
        "local": {"path": "keys.json", "key_encryption_key": KEY},
    },
    "run-settings": {
        "default": {
            "spark": "local", "lakehouse": "local", "key_ring": "local",
            "contracts_directory": "tables", "state_directory": "/var/state",
        },
        "far": {"spark": "local", "lakehouse": "far", "key_ring": "local"},
    },
}  # fmt: skip


@pytest.mark.parametrize("place", ["blocks.yaml", ".strandline/blocks.yaml"])
def test_paths_begin_at_the_project_and_not_where_one_stands(tmp_path, monkeypatch, place):
    project = tmp_path / "project"
    file = project / place
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(BLOCKS))
    file.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(block_lookup.VARIABLE, f"project/{place}")

    settings, far = block_lookup.settings(), block_lookup.settings("far")

    assert settings.contracts_directory == project / "tables"
    assert str(settings.state_directory) == "/var/state"
    assert settings.spark.log_directory == project / "logs"
    assert settings.key_ring.path == project / "keys.json"
    assert settings.lakehouse.local_warehouse == project / "lake"
    assert settings.lakehouse.uri == f"jdbc:sqlite:{project}/catalog.db?busy_timeout=9"
    assert far.lakehouse.warehouse == "s3://bucket/lake"
    assert far.state_directory == project / ".strandline"
    assert block_lookup.source("lite").database == str(project / "data" / "shop.db")
    found = block_lookup.source("pg")
    assert (found.database, found.ssl_root_certificate) == ("shop", str(project / "ca.pem"))
