"""A real table, changed in every way, loaded by the whole flow: the reference's history."""

from __future__ import annotations

import pytest

from contracts.errors import SourceAccessError
from flows.load_table import load_table
from tests.night import AT_NIGHT
from tests.source_model.checked import Checked, contract, read_by_a_role_of_its_own
from tests.source_model.examples import drawn
from tests.source_model.source import KINDS, Source, stories

READS = 6
LOTS = 100
HIDING = 3
"""Before this read row security hides some rows for a while."""


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


def followed(checked: Checked, whole_at: tuple[int, ...]) -> None:
    """Every read of the stories is loaded and checked."""
    for read in range(READS):
        if read == HIDING:
            hidden_by_policy(checked)
        with checked.source.before(read) as begun:
            checked.after(begun, everything=not checked.incremental or read in whole_at)
    for snapshot, expected in checked.states:
        assert checked.found(snapshot) == expected
    assert checked.place.leftovers == []


@pytest.mark.parametrize("kind", KINDS if AT_NIGHT else KINDS[:1])
@pytest.mark.parametrize("table", range(5 if AT_NIGHT else 1))
@pytest.mark.timeout(1800)
def test_full_loads_give_the_history_of_the_reference(make_checked, kind, table):
    followed(make_checked(kind, incremental=False), ())


@pytest.mark.parametrize("kind", KINDS if AT_NIGHT else KINDS[:1])
@pytest.mark.parametrize("table", range(5 if AT_NIGHT else 1))
@pytest.mark.timeout(1800)
def test_incremental_loads_with_a_full_one_between_give_the_history_of_the_reference(
    make_checked, kind, table
):
    followed(make_checked(kind, incremental=True), whole_at=(0, 3))
