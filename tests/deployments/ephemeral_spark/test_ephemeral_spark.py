"""The work pool of ephemeral Spark clusters: a real server, real workers and real clusters.

By day a few runs; `make test-nightly` does every event in every phase, and
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
CELLS = cells() if AT_NIGHT else BY_DAY


@pytest.fixture(scope="module")
def pool() -> Iterator[Stage]:
    with stage(**SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(pool) -> str:
    return pool.deploy("job_on_spark.py", "job_on_spark")


@pytest.fixture(scope="module")
def table() -> Iterator[list[Outcome]]:
    outcomes: list[Outcome] = []
    yield outcomes
    # Shown with `pytest -s`, and by the command.
    print("", HEADER, *(each.line() for each in outcomes), sep="\n")  # noqa: T201


@pytest.mark.nightly
def test_a_run_by_the_blocks_has_a_cluster_of_its_own_that_is_removed_afterwards(pool, tmp_path):
    pool.start_worker()
    run = pool.begin(pool.deploy("rows_in_lake.py", "rows_in_lake"), folder=str(tmp_path))
    assert pool.end_of(run) == "Completed", pool.log_of(run)
    total, _, master = (tmp_path / "total").read_text().partition(" on ")
    assert total == "90"
    assert master.startswith("spark://127.0.0.1:")
    wait_for("the end of the cluster", lambda: not leftovers(pool, set()), 15)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_whatever_happens_the_run_ends_right_and_nothing_remains(
    pool, deployment, table, tmp_path, cell
):
    result = outcome(pool, deployment, cell, tmp_path / "marks")
    table.append(result)
    assert result.right, f"{result.line()}\n{pool.worker_log()}"
