"""The server's database is gone: what a load needs of it comes from files, by two commands."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.states import Scheduled

from deployments.local_stack import prefect_api_health
from deployments.local_stack.prefect_api_health import as_client
from tests.deployments.stacks import Stack, eventually
from tests.flows.loaded_readings import loaded_twice
from tests.flows.readings import AFTER_BOTH, versions
from tests.flows.recovery.recovery_places import FOURTH, THIRD, with_backups

ROOT = Path(__file__).parents[3]
PROJECT = {
    "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": "{{ $PWD }}"}}],
    "definitions": {"work_pools": {"local": {"type": "process", "concurrency_limit": 1}}},
    "deployments": [
        {
            "name": "readings",
            "entrypoint": "load.py:load_table",
            "parameters": {"contract": "readings", "settings": "default"},
            "work_pool": {"name": "local"},
        }
    ],
}


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(prefect_api_health, "USUAL_PORTS", range(4400, 4500))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "load.py").write_text("from flows.load_table import load_table\n")
    (folder / "prefect.yaml").write_text(json.dumps(PROJECT))
    made = Stack(folder / "prefect.yaml", tmp_path / "state")
    yield made
    made.type("down")


def up_and_deployed(stack: Stack) -> bool:
    """Both commands; the tests' own server must not be the one that is deployed to."""
    if stack.type("up"):
        return False
    with as_client(stack.paths, stack.record.port):
        return stack.type("deploy") == 0


def loaded_by_deployment(stack: Stack) -> str:
    """The state in which a run of the deployment ends."""
    with stack.client() as client:
        chosen = DeploymentFilter(name=DeploymentFilterName(any_=["readings"]))
        (deployment,) = client.read_deployments(deployment_filter=chosen)
        run = client.create_flow_run_from_deployment(deployment.id, state=Scheduled())

        def ended() -> str | None:
            state = client.read_flow_run(run.id).state
            return state.name if state is not None and state.is_final() else None

        return eventually(ended, seconds=300)


@pytest.mark.nightly
def test_lost_prefect_database(make_workplace, contracts, stack, drill):
    place = make_workplace(contracts)
    with_backups(place)
    loaded_twice(place)
    assert up_and_deployed(stack)
    place.update(THIRD)
    assert loaded_by_deployment(stack) == "Completed"
    before = versions(place)
    assert before == [*AFTER_BOTH, (6, "SOUTH", "2024-01-04 10:00:00", None, True)]

    stack.type("down")
    shutil.rmtree(stack.paths.postgres)
    with drill.recovering():
        assert up_and_deployed(stack)

    assert versions(place) == before
    place.update(FOURTH)
    assert loaded_by_deployment(stack) == "Completed"
    assert len(versions(place)) == len(before) + 1
