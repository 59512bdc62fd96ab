from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from blocks.lookup import block_lookup
from contracts.errors import TableBusyError
from flows import upkeep as flow_module
from flows.load_table import load_table
from flows.upkeep import UpkeepFailedError, upkeep
from strandline.command_line import main
from tasks.lifecycle.table_lock import table_lock
from tests.flows.loaded_readings import loaded_twice
from tests.flows.readings import AFTER_BOTH, versions

LATER = datetime.now(UTC) + timedelta(days=365)


class _Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return LATER.astimezone(tz)


@pytest.fixture
def loaded(make_workplace, contracts):
    """Readings, loaded twice, and nobody else's."""
    return loaded_twice(make_workplace(contracts))


@pytest.fixture(scope="module")
def shared(make_workplace, contracts):
    """Readings, loaded twice, for tests that change no history."""
    return loaded_twice(make_workplace(contracts))


def view_of(place) -> list[int]:
    rows = place.table("clinic.patients_current").select("patient").orderBy("patient").collect()
    return [row.patient for row in rows]


@pytest.mark.nightly
def test_a_table_that_is_held_is_left_alone_and_the_run_fails(shared):
    target = f"{shared.settings.lakehouse.catalog}.clinic.patients"
    with (
        table_lock(shared.settings.state_directory, target, run_id="other"),
        pytest.raises(UpkeepFailedError) as caught,
    ):
        upkeep(["readings"])

    (outcome,) = caught.value.outcomes
    assert isinstance(outcome.error, TableBusyError)
    assert outcome.state == "TableBusyError"
    assert versions(shared) == AFTER_BOTH


async def _artifacts() -> list[str]:
    chosen = ArtifactFilter(key=ArtifactFilterKey(any_=["upkeep"]))
    async with get_client() as client:
        return [str(each.data) for each in await client.read_artifacts(artifact_filter=chosen)]


@pytest.mark.nightly
def test_the_command_tells_each_table_and_the_page_has_an_artifact(shared, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["upkeep", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "nothing was changed" in told.out
    assert "readings  compact" in told.err

    assert main(["upkeep", "readings", "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["tables"]
    assert line["contract"] == "readings"
    assert line["state"] == "done"
    assert line["files_rewritten"] > 0
    assert 0 < line["files_after"] < line["files_before"]
    assert line["snapshots_expired"] == 0

    assert any('"state": "done"' in data for data in asyncio.run(_artifacts()))
    assert main(["upkeep", "readinks"]) == 78


def test_tables_are_looked_after_and_loads_go_on_as_before(loaded, monkeypatch):
    # The first load made the view, since this catalog keeps views.
    assert view_of(loaded) == [1, 3, 5]
    count = loaded.snapshots("clinic.patients")
    monkeypatch.setattr(flow_module, "datetime", _Later)
    monkeypatch.setattr(
        "history.upkeep.table_upkeep.remove_orphan_files", lambda *_args, **_given: 0
    )

    (dry,) = upkeep([], dry_run=True)
    assert loaded.snapshots("clinic.patients") == count
    (outcome,) = upkeep([])

    assert (outcome.contract, outcome.views) == ("readings", True)
    assert outcome.report is not None
    assert dry.report is not None
    assert (outcome.state, dry.state) == ("done", "done")
    assert versions(loaded) == AFTER_BOTH
    assert view_of(loaded) == [1, 3, 5]
    unchanged = load_table("readings")
    assert not unchanged.report.published
    assert unchanged.staged.watermark is not None
    loaded.update((6, "South", "Di Webb", "60.00", "IN", "2024-01-04 10:00", None))
    summary = load_table("readings")
    assert summary.staged.rows_read == 3  # from an hour before the watermark, which was kept
    assert summary.report.opened == 1
    assert view_of(loaded) == [1, 3, 5, 6]
    assert upkeep(["clinic.patients"])[0].contract == "readings"


def test_a_table_that_was_never_loaded_is_no_error(readings):
    assert block_lookup.settings("default").keep_days == 30

    (outcome,) = upkeep()

    assert (outcome.state, outcome.report, outcome.error) == ("never loaded", None, None)
