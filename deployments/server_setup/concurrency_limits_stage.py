"""The global concurrency limits of `prefect.yaml` on the server."""

from __future__ import annotations

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from prefect.exceptions import ObjectNotFound

from deployments.server_setup.read_prefect_yaml import Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["apply_concurrency_limits"]


def apply_concurrency_limits(project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Make or change the limits that the project defines; slots in use are not touched."""
    for name, wanted in project.limits.items():
        note = f"{wanted.limit} at once"
        settings = (wanted.limit, wanted.slot_decay_per_second)
        try:
            current = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            made = client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(
                    name=name, limit=settings[0], slot_decay_per_second=settings[1]
                )
            )
            yield Outcome("concurrency limit", name, State.MADE, str(made), note)
            continue
        state = State.of((current.limit, current.slot_decay_per_second), settings)
        if state is State.CHANGED:
            change = GlobalConcurrencyLimitUpdate(
                limit=settings[0], slot_decay_per_second=settings[1]
            )
            client.update_global_concurrency_limit(name, change)
        yield Outcome("concurrency limit", name, state, str(current.id), note)
