"""The alert file's automations on the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from prefect.client.orchestration import SyncPrefectClient

from contracts.alerts.load_alert_file import alert_file, load_alerts
from deployments.alerts.apply_automations import Change, apply_alerts
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["apply_automations"]

_STATES: Mapping[Change, tuple[State, str]] = MappingProxyType(
    {
        Change.CREATED: (State.MADE, ""),
        Change.UPDATED: (State.CHANGED, ""),
        Change.UNCHANGED: (State.UNCHANGED, ""),
        Change.REMOVED: (State.CHANGED, "removed: the file has no such alert any more"),
    }
)


def apply_automations(_project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Make the server's automations agree with the alert file, as `strandline alerts apply` does.

    Raises:
        SettingsError: An automation that no alert file made has the name of one of ours.
    """
    for each in apply_alerts(client, load_alerts(alert_file())):
        state, note = _STATES[each.change]
        yield Outcome("automation", each.name, state, str(each.id or ""), note)
