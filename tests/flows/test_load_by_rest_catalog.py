"""A contract's whole load through a REST catalog: Iceberg's own server, in a process of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from blocks.lakehouse import Lakehouse
from blocks.lookup import block_lookup
from contracts.errors import LakehouseUnavailableError
from flows.load_table import load_table
from flows.upkeep import upkeep
from tests.flows.readings import AFTER_BOTH, FIRST, SECOND, TABLE, versions
from tests.rest_catalog_server import rest_catalog_server


@pytest.fixture(scope="module")
def loaded(make_workplace, contracts, tmp_path_factory):
    """The source loaded twice with a change between."""
    local = make_workplace(contracts)
    local.execute(TABLE)
    directory = tmp_path_factory.mktemp("rest")
    with rest_catalog_server(directory, "org.xerial_sqlite-jdbc-*.jar") as address:
        lakehouse = Lakehouse(catalog="by_rest", kind="rest", uri=address, warehouse="main")
        settings = local.settings.model_copy(
            update={"lakehouse": lakehouse, "keep_days": 0, "keep_at_least": 1}
        )
        block_lookup.save_local(
            local.root / "blocks.yaml",
            ("default", settings),
            ("source-db-conn", block_lookup.source("source_db_conn")),
        )
        place = replace(local, settings=settings, spark=settings.spark.session(lakehouse))
        told = SimpleNamespace(place=place, directory=directory, summaries=[])
        for rows in (FIRST, SECOND):
            place.update(*rows)
            told.summaries.append(load_table("readings"))
        yield told


def test_a_whole_load_through_a_rest_catalog(loaded):
    first, second = loaded.summaries

    assert versions(loaded.place) == AFTER_BOTH
    assert (first.report.opened, second.report.opened, second.report.closed) == (3, 2, 2)
    assert loaded.place.leftovers == []
    assert list((loaded.directory / "warehouse" / "clinic").rglob("*.parquet"))


def test_a_rest_catalog_keeps_the_view_of_what_is_current(loaded):
    assert loaded.place.table("clinic.patients_current").count() == 3


def test_upkeep_works_through_a_rest_catalog(loaded):
    (file, *_) = (loaded.directory / "warehouse" / "clinic" / "patients").rglob("*.parquet")
    orphan = file.with_name("left-over.parquet")
    orphan.touch()
    os.utime(orphan, (0, 0))
    (outcome,) = upkeep(["readings"])

    assert outcome.error is None
    assert outcome.report.orphans == 1
    assert not orphan.exists()
    assert versions(loaded.place) == AFTER_BOTH


def test_a_load_without_its_rest_catalog_fails_with_what_to_do(loaded):
    place = loaded.place
    gone = place.settings.lakehouse.model_copy(update={"uri": "http://127.0.0.1:9"})
    with pytest.raises(LakehouseUnavailableError, match="rest catalog"):
        gone.check()
