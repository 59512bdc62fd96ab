"""Two loads, in processes of their own, of one source that lets one of them read at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import yaml

from blocks.lookup import block_lookup
from tests.flows.failing_source import SLOW_VIEW, set_source
from tests.flows.readings import CONTRACT, FIRST, TABLE

pytestmark = pytest.mark.nightly

NAMES = ("readings", "visits")
READS = (
    "SELECT application_name FROM pg_stat_activity"
    " WHERE application_name ~ '^strandline [0-9a-f]+$'"
)


@pytest.fixture
def place(make_workplace, tmp_path):
    """Two contracts of one slow table, of which a source with two connections lets read one."""
    for name in NAMES:
        text = yaml.safe_load(CONTRACT.read_text())
        text.update(id=name, name=name)
        text["schema"][0].update(name=name, physicalName=f"clinic.{name}")
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(text))
    made = make_workplace(tmp_path)
    made.execute(TABLE)
    made.update(*FIRST)
    made.execute(SLOW_VIEW.format(seconds=1.5))
    set_source(made, max_connections=2, connection_wait_seconds=500)
    return made


@pytest.mark.timeout(900)
def test_two_loads_take_turns_where_there_are_connections_for_one(place):
    running = [
        subprocess.Popen(
            [str(Path(sys.executable).with_name("strandline")), "run", name],
            cwd=Path(__file__).parents[2],
            env={**os.environ, block_lookup.VARIABLE: str(place.root / "blocks.yaml")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in NAMES
    ]
    document = place.root / "state" / "sources" / "connections-source-db-conn.json"
    most, reads, holders = 0, set(), set()
    with psycopg.connect(place.dsn.get_secret_value(), autocommit=True) as session:
        while any(each.poll() is None for each in running):
            found = [name for (name,) in session.execute(READS)]
            most, reads = max(most, len(found)), reads | set(found)
            assert len(set(found)) <= 1
            if document.exists():
                there = json.loads(document.read_text())
                assert len(there) <= 1
                holders |= set(there)
            time.sleep(0.02)

    assert [each.returncode for each in running] == [0, 0]
    assert most == 2
    assert len(reads) == len(holders) == 2
    for name in NAMES:
        assert place.table(f"clinic.{name}").count() == 3
    assert place.leftovers == []
