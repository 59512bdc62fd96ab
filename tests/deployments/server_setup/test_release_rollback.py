"""A validation that fails rolls its release back, by a real server, worker and automation."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from pydantic import SecretStr

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from deployments.local_stack import prefect_api_health
from deployments.server_setup.release_rollback_stage import NAME
from tests.deployments.stacks import PROJECT, Stack, eventually, project

ROOT = Path(__file__).parents[3]
FLOWS = """\
from prefect import flow

@flow(name="validate-release")
def validate_release(contract: str, settings: str = "default"):
    raise RuntimeError("not sound")

@flow(name="rollback-release")
def rollback_release(contract: str, settings: str = "default"):
    print(contract)
"""


def deployment(name):
    return {
        "name": name,
        "entrypoint": f"flow.py:{name}",
        "work_pool": {"name": "local"},
        "parameters": {"contract": "another", "settings": "default"},
    }


@pytest.mark.nightly
def test_a_failed_validation_starts_the_rollback_of_its_own_contract(tmp_path):
    content = {**PROJECT, "deployments": [deployment("validate_release")]}
    content["deployments"] = [*map(deployment, ("validate_release", "rollback_release"))]
    file = project(tmp_path / "project", content)
    (file.parent / "flow.py").write_text(FLOWS)
    stack = Stack(file, tmp_path / "state")
    blocks = tmp_path / "blocks.yaml"
    source = SourceDatabase(database="readings", user="reader", password=SecretStr("a word"))
    block_lookup.save_local(blocks, ("readings", source))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        patch.setenv(block_lookup.VARIABLE, str(blocks))
        patch.setattr(prefect_api_health, "USUAL_PORTS", range(4400, 4500))
        assert stack.type("up") == 0
        try:
            assert stack.type("deploy") == 0
            with stack.client() as client:
                (made,) = client.read_automations_by_name(NAME)
                assert made.enabled
                validation = client.read_deployment_by_name("validate-release/validate_release")
                client.create_flow_run_from_deployment(
                    validation.id, parameters={"contract": "readings", "settings": "night"}
                )
                rollback = FlowFilter(name=FlowFilterName(any_=["rollback-release"]))
                (run,) = eventually(lambda: client.read_flow_runs(flow_filter=rollback), 180)
                assert run.parameters == {"contract": "readings", "settings": "night"}
            content["deployments"] = content["deployments"][:1]
            file.write_text(json.dumps(content))
            assert stack.type("deploy") == 0
            with stack.client() as client:
                assert client.read_automations_by_name(NAME) == []
        finally:
            stack.type("down")
