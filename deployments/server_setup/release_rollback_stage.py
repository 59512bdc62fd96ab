"""The automation that rolls a release back when its validation fails, on the server.

It starts the deployment of the flow `rollback-release` for the contract of the validation that
failed. A server without such a deployment gets no automation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from contracts.errors import SettingsError
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["NAME", "apply_release_rollback", "rollback_automation"]

NAME = "Strandline: roll back a release whose validation failed"
TAG = "strandline-release"
_VALIDATION = "validate-release"
_ROLLBACK = ":rollback_release"
_COMPARED = {"name", "description", "enabled", "tags", "trigger", "actions"}
_PAGE = 200


def apply_release_rollback(project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Make the automation, or bring it up to date; remove it where there is no deployment for it.

    Raises:
        SettingsError: An automation that this did not make has its name.
    """
    deployment = _deployment(project, client)
    current = next((each for each in client.read_automations_by_name(NAME)), None)
    if current is not None and TAG not in current.tags:
        raise SettingsError(
            where="the automations of the Prefect server",
            expected=f"that of our name to have the tag {TAG}",
            found="none on it",
            next_step="Rename that automation, or remove it, and deploy again.",
        )
    if deployment is None:
        if current is not None:
            client.delete_automation(current.id)
            yield Outcome("automation", NAME, State.CHANGED, "", "removed: nothing rolls back")
        return
    wanted = rollback_automation(deployment)
    if current is None:
        made = client.create_automation(wanted)
        yield Outcome("automation", NAME, State.MADE, str(made))
        return
    state = State.of(_plain(current), _plain(wanted))
    if state is State.CHANGED:
        client.update_automation(current.id, wanted)
    yield Outcome("automation", NAME, state, str(current.id))


def rollback_automation(deployment: UUID) -> AutomationCore:
    """The automation that starts this deployment for the contract of a validation that failed."""
    parameters = {
        name: {"__prefect_kind": "jinja", "template": f"{{{{ flow_run.parameters['{name}'] }}}}"}
        for name in ("contract", "settings")
    }
    return AutomationCore(
        name=NAME,
        description="Rolls a release back when the flow run that validates it fails.",
        tags=[TAG],
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed"},
            match_related={
                "prefect.resource.role": "flow",
                "prefect.resource.name": _VALIDATION,
            },
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(source="selected", deployment_id=deployment, parameters=parameters)],
    )


def _deployment(project: Project, client: SyncPrefectClient) -> UUID | None:
    """The deployment that the project has for rolling back; None: it has none."""
    wanted = {each.identity for each in project.deployments if each.identity[0].endswith(_ROLLBACK)}
    offset = 0
    while page := client.read_deployments(limit=_PAGE, offset=offset):
        for each in page:
            if (each.entrypoint or "", each.name) in wanted:
                return each.id
        offset += len(page)
    return None


def _plain(automation: AutomationCore) -> Any:
    return _without_ids(automation.model_dump(mode="json", include=_COMPARED))


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(each) for key, each in value.items() if key != "id"}
    if isinstance(value, list):
        return [_without_ids(each) for each in value]
    return value
