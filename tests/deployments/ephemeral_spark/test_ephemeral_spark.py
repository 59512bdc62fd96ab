"""The work pool of ephemeral Spark clusters: a real server, real workers and real clusters.

By day a few runs; `make test-nightly` does everything that can happen in every phase, and
`python -m tests.deployments.ephemeral_spark.matrix` prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployments.ephemeral_spark.matrix import (
    HEADER,
    SMALL,
    Cell,
    Outcome,
    cells,
    leftovers,
    outcome,
)
from tests.deployments.ephemeral_spark.stage import Stage, stage, wait_for
from tests.night import AT_NIGHT

BY_DAY = (Cell("starting", "cancel"), Cell("running", "SIGKILL worker"))
TRIED = cells() if AT_NIGHT else BY_DAY


@pytest.fixture(scope="module")
def place() -> Iterator[Stage]:
    with stage(**SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(place) -> str:
    return place.deploy("job_on_spark.py", "job_on_spark")


@pytest.fixture(scope="module")
def table() -> Iterator[list[Outcome]]:
    outcomes: list[Outcome] = []
    yield outcomes
    # Shown with `pytest -s`, and by the command.
    print("", HEADER, *(found.line() for found in outcomes), sep="\n")  # noqa: T201


@pytest.mark.nightly
def test_a_run_by_the_blocks_has_a_cluster_of_its_own_that_is_gone_afterwards(place, tmp_path):
    place.start_worker()
    run = place.begin(place.deploy("rows_in_lake.py", "rows_in_lake"), folder=str(tmp_path))
    assert place.end_of(run) == "Completed", place.log_of(run)
    total, _, master = (tmp_path / "total").read_text().partition(" on ")
    assert total == "90"
    assert master.startswith("spark://127.0.0.1:")
    wait_for("the end of the cluster", lambda: not leftovers(place, set()), 15)


@pytest.mark.parametrize("cell", TRIED, ids=lambda cell: cell.name)
def test_whatever_happens_the_run_ends_right_and_nothing_is_left(
    place, deployment, table, tmp_path, cell
):
    found = outcome(place, deployment, cell, tmp_path / "marks")
    table.append(found)
    assert found.right, f"{found.line()}\n{place.said()}"
