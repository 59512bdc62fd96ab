"""The deployments of `prefect.yaml` on the server, made by Prefect's own `prefect deploy`.

Promise: every entry exists on the server afterwards, or it is an error; Prefect itself skips what
it can't read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import get_current_settings

from contracts.errors import SettingsError
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["apply_deployments"]

_KIND = "deployment"
_TAG = "strandline"
_PAGE = 200
_SECONDS = 300.0

# What defines a run. Versions, ids of schedules and times of change differ after each deploy.
_COMPARED = {
    "description",
    "enforce_parameter_schema",
    "entrypoint",
    "job_variables",
    "parameter_openapi_schema",
    "parameters",
    "path",
    "pull_steps",
    "work_pool_name",
    "work_queue_name",
}

Identity = tuple[str, str]


def apply_deployments(project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Run `prefect deploy --all` and report the outcome of each entry.

    Raises:
        SettingsError: It fails, or an entry does not exist afterwards.
    """
    before = {each: _compared(deployment) for each, deployment in _on_server(client).items()}
    output = _deploy(project)
    after = _on_server(client)
    wanted = [each.identity for each in project.deployments]
    absent = [name for entrypoint, name in wanted if (entrypoint, name) not in after]
    if absent:
        raise _failed(project, f"none for: {', '.join(absent)}; {_last_line(output)}")
    flows = {each.id: each.name for each in _all_flows(client)}
    for identity in wanted:
        deployment = after[identity]
        label = f"{flows[deployment.flow_id]}/{deployment.name}"
        state = State.of(before.get(identity), _compared(deployment))
        yield Outcome(_KIND, label, state, str(deployment.id), _when(deployment))
    for identity in sorted(set(after) - set(wanted)):
        deployment = after[identity]
        label = f"{flows[deployment.flow_id]}/{deployment.name}"
        if _TAG in deployment.tags:
            note = f"not in prefect.yaml; to remove it: prefect deployment delete {label}"
            yield Outcome(_KIND, label, State.LEFT, str(deployment.id), note)


def _deploy(project: Project) -> str:
    """Run Prefect's own command in the project's directory; returns its output."""
    try:
        result = subprocess.run(  # noqa: S603 - our own arguments
            [
                *(sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"),
                *("--prefect-file", str(project.file)),
            ],
            cwd=project.directory,
            env={
                **os.environ,
                **get_current_settings().to_environment_variables(exclude_unset=True),
                # prefect.yaml uses $PWD, which a change of directory alone does not set.
                "PWD": str(project.directory),
                "NO_COLOR": "1",
                "COLUMNS": "200",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(project, f"no end within {_SECONDS:.0f} s") from None
    if result.returncode != 0:
        raise _failed(project, _last_line(result.stdout))
    return result.stdout


def _on_server(client: SyncPrefectClient) -> dict[Identity, DeploymentResponse]:
    deployments: dict[Identity, DeploymentResponse] = {}
    offset = 0
    while page := client.read_deployments(limit=_PAGE, offset=offset):
        deployments |= {(each.entrypoint or "", each.name): each for each in page}
        offset += len(page)
    return deployments


def _all_flows(client: SyncPrefectClient) -> list[Any]:
    flows: list[Any] = []
    while page := client.read_flows(limit=_PAGE, offset=len(flows)):
        flows += page
    return flows


def _compared(deployment: DeploymentResponse) -> Mapping[str, Any]:
    values = deployment.model_dump(mode="json", include=_COMPARED)
    values["tags"] = sorted(deployment.tags)
    values["schedules"] = sorted(
        each.model_dump_json(include={"schedule", "active", "parameters", "slug"})
        for each in deployment.schedules
    )
    limit = deployment.global_concurrency_limit
    values["limit"] = None if limit is None else limit.limit
    options = deployment.concurrency_options
    values["strategy"] = None if options is None else str(options.collision_strategy)
    return values


def _when(deployment: DeploymentResponse) -> str:
    crons = [getattr(each.schedule, "cron", "") for each in deployment.schedules if each.active]
    return ", ".join(f"cron {cron}" for cron in crons if cron) or "when asked for"


def _last_line(output: str) -> str:
    lines = [line.strip(" │╭╮╰╯─") for line in output.splitlines()]
    texts = [line for line in lines if line]
    return texts[-1] if texts else "it said nothing"


def _failed(project: Project, found: str) -> SettingsError:
    return SettingsError(
        where=f"prefect deploy --all, {project.file}",
        expected=f"{len(project.deployments)} deployments on the server",
        found=found,
        next_step="Correct prefect.yaml, or run the command by hand to see all that it says: "
        "prefect --no-prompt deploy --all",
    )
