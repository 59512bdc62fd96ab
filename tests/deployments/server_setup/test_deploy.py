"""`strandline deploy`, as typed, against a real Prefect server."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.errors import SettingsError
from deployments.server_setup import setup_stages
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State
from deployments.server_setup.work_pools_stage import apply_work_pools
from strandline.command_line import main
from tests.deployments.stacks import PROJECT, project

ROOT = Path(__file__).parents[3]
CANARY = "canary-of-a-deployed-secret"

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def no_stack(monkeypatch, tmp_path):
    """No local stack and no block file of the user's own."""
    monkeypatch.setenv(block_lookup.VARIABLE, str(tmp_path / "blocks.yaml"))


def deployed(file: Path, state: Path, capsys) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and the outcome of each object by kind and name."""
    code = main(["deploy", "--file", str(file), "--state", str(state), "--json"])
    answer = json.loads(capsys.readouterr().out)
    return code, {f"{each['kind']} {each['name']}": each for each in answer["outcomes"]}


def states(outcomes: dict[str, dict[str, str]], kind: str) -> set[str]:
    return {each["state"] for name, each in outcomes.items() if name.startswith(kind)}


def test_the_projects_deployments_are_made_once_and_again_keeps_their_ids(tmp_path, capsys):
    source = SourceDatabase(database="deployed", user="reader", password=CANARY)
    block_lookup.save_local(tmp_path / "blocks.yaml", ("deployed-conn", source))
    file = ROOT / "prefect.yaml"
    wanted = yaml.safe_load(file.read_text())

    first_code, first = deployed(file, tmp_path, capsys)
    second_code, second = deployed(file, tmp_path, capsys)

    assert first_code == second_code == 0
    assert states(first, "deployment") == {"made"}
    assert sum(name.startswith("deployment ") for name in first) == len(wanted["deployments"])
    assert {each["state"] for each in second.values()} == {"unchanged"}
    assert {name: each["id"] for name, each in second.items()} == {
        name: each["id"] for name, each in first.items()
    }
    assert all(each["id"] for each in first.values())
    assert "block strandline-source-database/deployed-conn" in first
    assert CANARY not in json.dumps([first, second])
    with get_client(sync_client=True) as client:
        for deployment in wanted["deployments"]:
            flow = deployment["entrypoint"].partition(":")[2].replace("_", "-")
            current = client.read_deployment_by_name(f"{flow}/{deployment['name']}")
            assert current.work_pool_name == deployment["work_pool"]["name"]
            assert current.global_concurrency_limit.limit == 1
            assert current.concurrency_options.collision_strategy == "ENQUEUE"
            assert [each.schedule.cron for each in current.schedules] == [
                each["cron"] for each in deployment.get("schedules", ())
            ]
            assert current.pull_steps == [
                {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
            ]


def test_a_pool_of_another_type_is_not_taken_over(tmp_path):
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="of-another-type", type="docker"))
        content = copy.deepcopy(PROJECT)
        content["definitions"]["work_pools"]["of-another-type"] = {"type": "process"}
        wanted = Project.read(project(tmp_path, content))

        with pytest.raises(SettingsError, match="of-another-type"):
            list(apply_work_pools(wanted, client))
        assert client.read_work_pool("of-another-type").type == "docker"


def test_a_pool_of_a_type_that_nothing_installed_knows_is_an_error(tmp_path):
    content = copy.deepcopy(PROJECT)
    content["definitions"]["work_pools"] = {"local": {"type": "no-such-type"}}
    content["definitions"]["work_pools"]["new"] = content["definitions"]["work_pools"].pop("local")
    content["deployments"] = []
    wanted = Project.read(project(tmp_path, content))

    with get_client(sync_client=True) as client:
        with pytest.raises(SettingsError, match="no-such-type"):
            list(apply_work_pools(wanted, client))
        with pytest.raises(ObjectNotFound):
            client.read_work_pool("new")


def test_a_further_stage_is_one_more_entry_of_the_list(tmp_path, monkeypatch, capsys):
    def alerts(wanted: Project, _client: object) -> list[Outcome]:
        return [Outcome("automation", wanted.directory.name, State.MADE)]

    monkeypatch.setattr(setup_stages, "STAGES", (("alerts", alerts),))
    file = project(tmp_path / "named")

    assert deployed(file, tmp_path, capsys)[1] == {
        "automation named": {
            "kind": "automation", "name": "named", "state": "made", "id": "", "note": "",
        }
    }  # fmt: skip


def test_the_output_names_what_needs_prefect_cloud(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup_stages, "STAGES", ())

    assert main(["deploy", "--file", str(project(tmp_path)), "--state", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "Needs Prefect Cloud" in output
    assert "service level agreements" in output


@pytest.mark.nightly
def test_what_differs_is_changed_and_what_is_no_longer_configured_is_reported(tmp_path, capsys):
    before = copy.deepcopy(PROJECT)
    before["definitions"]["work_pools"]["local"]["concurrency_limit"] = 2
    for each in before["deployments"]:
        each["tags"] = ["strandline"]
    before["definitions"]["concurrency_limits"] = {"seats": {"limit": 3}}
    file = project(tmp_path / "project", before)
    _, first = deployed(file, tmp_path, capsys)
    after = copy.deepcopy(before)
    after["deployments"].pop()
    after["deployments"][0]["parameters"] = {"seconds": 1.0}
    after["definitions"]["concurrency_limits"]["seats"]["limit"] = 4
    project(tmp_path / "project", after)
    code, second = deployed(file, tmp_path, capsys)

    # Without a block file the run settings have to be on the server.
    assert code == 78
    missing = second["block strandline-run-settings/default"]
    assert missing["state"] == "missing"
    assert "blocks.yaml" in missing["note"]
    assert first["deployment wait/one"]["state"] == first["deployment wait/two"]["state"] == "made"
    assert second["deployment wait/one"]["state"] == "changed"
    assert second["deployment wait/two"]["state"] == "left"
    assert "prefect deployment delete wait/two" in second["deployment wait/two"]["note"]
    assert second["concurrency limit seats"]["state"] == "changed"
    for name in ("deployment wait/one", "deployment wait/two", "concurrency limit seats"):
        assert second[name]["id"] == first[name]["id"]


@pytest.mark.nightly
def test_a_flow_that_is_not_there_is_an_error_and_not_skipped(tmp_path, capsys):
    content = copy.deepcopy(PROJECT)
    content["deployments"][1]["entrypoint"] = "flow.py:gone"
    content["deployments"] = content["deployments"][1:]
    file = project(tmp_path, content)

    assert main(["deploy", "--file", str(file), "--state", str(tmp_path)]) == 78
    assert "prefect deploy --all" in capsys.readouterr().err
