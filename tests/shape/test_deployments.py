"""`prefect.yaml` against the flows and the contracts that it names.

Prefect skips what it can't read and drops keys that it does not know, both without an error.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from contracts.loader import TABLES

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = FILE["deployments"]
LOADS = [each for each in DEPLOYMENTS if each["entrypoint"].startswith("flows/load_")]
CONTRACTS = {path.stem for path in TABLES.glob("*.yaml")}
KEYS = {
    "name", "description", "entrypoint", "parameters", "schedules", "concurrency_limit", "tags",
    "work_pool",
}  # fmt: skip

TEXTS = {"by", "reason"}
"""What somebody writes, in as many words as it takes."""

ONCE = {"closes_at_most", "full"}
"""What somebody says of one run: said of all of them, it would switch a guard off for good."""

each = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["name"])


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    path, _, name = deployment["entrypoint"].partition(":")
    assert (ROOT / path).is_file()
    found = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert isinstance(found, Flow)
    return found


def contracts_of(deployment: dict[str, Any]) -> list[str]:
    parameters = deployment["parameters"]
    if not {"contract", "contracts"} & set(parameters):
        return []
    return parameters["contracts"] if "contracts" in parameters else [parameters["contract"]]


@each
def test_a_deployment_says_what_it_has_to_in_words_that_prefect_knows(deployment):
    assert KEYS - set(deployment) <= {"schedules"}
    assert set(deployment) <= KEYS
    assert deployment["description"].endswith(".")
    assert deployment["work_pool"]["name"] in FILE["definitions"]["work_pools"]
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


@each
def test_a_deployments_parameters_are_those_of_its_flow(deployment):
    flow = flow_of(deployment)

    assert set(deployment["parameters"]) == set(inspect.signature(flow.fn).parameters) - ONCE
    taken = flow.validate_parameters(deployment["parameters"])
    said = {name: value for name, value in taken.items() if name not in ONCE}
    assert said == deployment["parameters"]


@each
def test_the_form_of_a_deployment_explains_every_parameter_and_refuses_what_is_no_name(deployment):
    flow = flow_of(deployment)
    schema = parameter_schema(flow).model_dump_for_openapi()

    assert all(each["description"] for each in schema["properties"].values())
    for name, value in deployment["parameters"].items():
        if isinstance(value, str) and name not in TEXTS:
            with pytest.raises(ParameterTypeError, match=name):
                flow.validate_parameters({**deployment["parameters"], name: "two words"})


@each
def test_a_deployment_loads_contracts_that_are_there(deployment):
    assert set(contracts_of(deployment)) <= CONTRACTS


@each
def test_a_schedule_is_a_cron_expression_in_utc(deployment):
    for schedule in deployment.get("schedules", ()):
        assert CronSchedule(**schedule).timezone == "UTC"


def test_names_are_unique():
    names = [deployment["name"] for deployment in DEPLOYMENTS]

    assert len(set(names)) == len(names)


def test_every_shipped_contract_has_a_deployment_of_its_own_and_one_loads_them_all():
    groups = [contracts_of(deployment) for deployment in LOADS]

    assert sorted(group[0] for group in groups if len(group) == 1) == sorted(CONTRACTS)
    assert [set(group) for group in groups if len(group) > 1] == [CONTRACTS]


def test_upkeep_and_retention_are_scheduled_for_whatever_contracts_there_are():
    scheduled = [each for each in DEPLOYMENTS if each not in LOADS and each.get("schedules")]

    assert [each["entrypoint"] for each in scheduled] == [
        "flows/maintenance/maintain.py:maintain",
        "flows/apply_retention.py:apply_retention",
        "flows/recovery/back_up.py:back_up",
    ]
    assert [contracts_of(each) for each in scheduled] == [[], [], []]


def test_a_backup_is_made_every_hour():
    (backup,) = (each for each in DEPLOYMENTS if each["entrypoint"].endswith(":back_up"))

    (schedule,) = backup["schedules"]
    assert schedule["cron"].split()[1:] == ["*"] * 4


def test_no_step_needs_a_git_host():
    steps = [name for step in FILE["pull"] for name in step]

    assert steps == ["prefect.deployments.steps.set_working_directory"]
    assert not {"build", "push"} & set(FILE)


def test_a_mistake_in_a_cron_expression_would_be_seen():
    with pytest.raises(ValueError, match="cron"):
        CronSchedule(cron="61 * * * *", timezone="UTC")
