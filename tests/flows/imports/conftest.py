"""Histories by the real tools, as `tools/import_drill/make_fixtures.py` made them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(make_workplace, tmp_path_factory):
    """A workplace whose source database has the customers, and four tools' histories of them."""
    made = make_workplace(tmp_path_factory.mktemp("mine") / "contracts")
    made.execute((HERE / "peer_tables.sql").read_text("utf-8"))
    return made
