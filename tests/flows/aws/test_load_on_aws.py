"""A contract's whole load with its history on AWS, and the same load on this machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.load_table import load_table
from tests.flows.readings import AFTER_BOTH, FIRST, SECOND, TABLE, versions


@pytest.fixture(scope="module")
def loaded(make_workplace, contracts, cloud):
    """The source loaded twice with a change between, here and on AWS."""
    local = make_workplace(contracts)
    local.execute(TABLE)
    told = SimpleNamespace(local=local, here=[], there=[])
    remote = None
    for rows in (FIRST, SECOND):
        cloud.find(local)
        local.update(*rows)
        told.here.append(load_table("readings"))
        remote = cloud.place(local)
        told.there.append(load_table("readings"))
    told.remote = remote
    return told


def test_a_whole_load_on_aws_gives_the_rows_of_the_local_one(loaded):
    assert versions(loaded.remote) == versions(loaded.local) == AFTER_BOTH
    assert loaded.remote.leftovers == []
