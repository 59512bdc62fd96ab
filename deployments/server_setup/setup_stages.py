"""The set-up of a server, stage by stage, from nothing to complete.

A stage takes the project and a client, brings one kind of object up to date, and reports the
outcome of each. Repeating all of them changes nothing. A further kind of object is one more line
of `STAGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prefect.client.orchestration import SyncPrefectClient

from deployments.server_setup.alerts_stage import apply_automations
from deployments.server_setup.blocks_stage import apply_blocks
from deployments.server_setup.concurrency_limits_stage import apply_concurrency_limits
from deployments.server_setup.deployments_stage import apply_deployments
from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.release_rollback_stage import apply_release_rollback
from deployments.server_setup.stage_result import Outcome
from deployments.server_setup.work_pools_stage import apply_work_pools

__all__ = ["STAGES", "Stage", "deploy"]

Stage = Callable[[Project, SyncPrefectClient], Iterable[Outcome]]

STAGES: tuple[tuple[str, Stage], ...] = (
    ("blocks", apply_blocks),
    ("work pools", apply_work_pools),
    ("concurrency limits", apply_concurrency_limits),
    ("deployments", apply_deployments),
    ("alerts", apply_automations),
    ("release rollback", apply_release_rollback),
)
"""The stages in their order: an object comes before the objects that name it."""


def deploy(
    project: Project, client: SyncPrefectClient, begun: Callable[[str], None]
) -> Iterator[Outcome]:
    """Bring the server up to date; `begun` is called with each stage's name as it begins.

    Raises:
        SettingsError: See the stages. Those before are done, and repeating is safe.
    """
    for name, stage in STAGES:
        begun(name)
        yield from stage(project, client)
