"""A real table, changed in every way, loaded by the whole flow: the reference's history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from contracts.errors import SourceAccessError
from flows.load_table import load_table
from tasks.run.progress_listeners import STEPS
from tests.night import AT_NIGHT
from tests.source_model.checked import Checked, contract, read_by_a_role_of_its_own
from tests.source_model.examples import drawn
from tests.source_model.source import KINDS, Source, stories

ROOT = Path(__file__).parents[2]
READS = 6
LOTS = 100
HIDING = 3
"""Before this read row security hides some rows for a while."""
DYING = 2
"""The load of this read is killed once by night, a step later in each table."""


@pytest.fixture
def make_checked(make_workplace, tmp_path):
    """Makes a source with so many lots, of which nothing has been read yet."""
    sources = []

    def make(kind: str, *, incremental: bool) -> Checked:
        place = make_workplace(contract(tmp_path, kind=kind, incremental=incremental))
        source = Source(place.dsn.get_secret_value(), tuple(drawn(stories(READS), LOTS)), kind)
        sources.append(source)
        read_by_a_role_of_its_own(place, source)
        return Checked(place, source, incremental, lambda full: load_table("lots", full=full))

    yield make
    for source in sources:
        source.close()


def hidden_by_policy(checked: Checked) -> None:
    """Row security is switched on for a while: a load fails then and changes nothing."""
    before = checked.state()
    checked.source.execute(
        "CREATE POLICY halves ON model.lots USING (lot % 2 = 0);"
        "ALTER TABLE model.lots ENABLE ROW LEVEL SECURITY"
    )
    with pytest.raises(SourceAccessError, match="row"):
        checked.load(checked.incremental)
    checked.source.execute(
        "ALTER TABLE model.lots DISABLE ROW LEVEL SECURITY; DROP POLICY halves ON model.lots"
    )
    assert checked.state() == before


def killed_at(step: str) -> Callable[[bool], None]:
    """Loads in a process of its own, which is killed when the step is done."""

    def load(everything: bool) -> None:
        killed = subprocess.run(
            [sys.executable, "-m", "tests.source_model.killed_read", str(everything), step],
            cwd=ROOT,
            env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()},
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]

    return load


def followed(checked: Checked, table: int, whole_at: Collection[int]) -> None:
    """Every read of the stories is loaded and checked; by night one of them twice, first killed."""
    for read in range(READS):
        if read == HIDING:
            hidden_by_policy(checked)
        everything = read in whole_at
        with checked.source.before(read) as begun:
            if AT_NIGHT and read == DYING:
                kill = killed_at(STEPS[table % len(STEPS)])
                checked.after(begun, everything=everything, kill=kill)
            checked.after(begun, everything=everything)
    for snapshot, expected in checked.states:
        assert checked.found(snapshot) == expected
    assert checked.place.leftovers == []


@pytest.mark.parametrize("kind", KINDS if AT_NIGHT else KINDS[:1])
@pytest.mark.parametrize("table", range(5 if AT_NIGHT else 1))
@pytest.mark.timeout(1800)
def test_full_loads_give_the_history_of_the_reference(make_checked, kind, table):
    followed(make_checked(kind, incremental=False), table, range(READS))


@pytest.mark.parametrize("kind", KINDS if AT_NIGHT else KINDS[:1])
@pytest.mark.parametrize("table", range(5 if AT_NIGHT else 1))
@pytest.mark.timeout(1800)
def test_incremental_loads_with_a_full_one_between_give_the_history_of_the_reference(
    make_checked, kind, table
):
    followed(make_checked(kind, incremental=True), table, whole_at=(0, 3))
