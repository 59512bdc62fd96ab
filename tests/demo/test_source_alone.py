from __future__ import annotations

from pathlib import Path

import psycopg

from blocks.embedded_postgres import EmbeddedPostgres
from blocks.lookup import block_lookup
from demo.__main__ import main
from demo.demo_paths import postgres_directory

ROWS = "SELECT count(*), max(updated_date) FROM source_schema.aircraft"


def test_the_source_alone_is_made_and_brought_to_the_end_of_the_year(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(block_lookup.VARIABLE, "")
    postgres = EmbeddedPostgres(postgres_directory(Path(".strandline")))

    assert main("source") == 0
    assert ".strandline/demo/blocks.yaml" in capsys.readouterr().out
    postgres.start()
    with psycopg.connect(postgres.dsn.get_secret_value()) as connection:
        half, until = connection.execute(ROWS).fetchone()
        assert main("later") == 0
        year, end = connection.execute(ROWS).fetchone()
    postgres.stop()

    assert block_lookup.settings().slices == 2
    assert block_lookup.source("source_db_conn").embedded_directory
    assert not (tmp_path / ".strandline/demo/warehouse").exists()
    assert half < year
    assert until < end


def test_a_part_that_the_demo_does_not_have_is_told(capsys):
    assert main("sauce") == 64
    assert "source" in capsys.readouterr().err
