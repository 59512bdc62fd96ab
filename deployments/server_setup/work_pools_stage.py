"""The work pools of `prefect.yaml` on the server.

Promise: a pool's job template is set when the pool is made, and afterwards changed by users alone,
on the server's page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from contracts.errors import SettingsError
from deployments.server_setup.read_prefect_yaml import Pool, Project
from deployments.server_setup.stage_result import Outcome, State

__all__ = ["apply_work_pools"]


def apply_work_pools(project: Project, client: SyncPrefectClient) -> Iterator[Outcome]:
    """Make or change the pools that the project defines.

    Raises:
        SettingsError: A pool of that name has another type, or no worker of the type is installed.
    """
    for name, wanted in project.pools.items():
        try:
            current = client.read_work_pool(name)
        except ObjectNotFound:
            made = client.create_work_pool(_new(name, wanted))
            yield Outcome("work pool", name, State.MADE, str(made.id), wanted.type)
            continue
        yield _updated(client, current, wanted)


def _updated(client: SyncPrefectClient, current: WorkPool, wanted: Pool) -> Outcome:
    if current.type != wanted.type:
        raise SettingsError(
            where=f"work pool {current.name}",
            expected=f"the type {wanted.type}",
            found=f"the type {current.type}, which can't be changed",
            next_step=f"Name another pool in prefect.yaml, or remove that one: "
            f"prefect work-pool delete {current.name}",
        )
    settings = (wanted.description, wanted.concurrency_limit)
    state = State.of((current.description, current.concurrency_limit), settings)
    if state is State.CHANGED:
        change = WorkPoolUpdate(description=settings[0], concurrency_limit=settings[1])
        client.update_work_pool(current.name, change)
    return Outcome("work pool", current.name, state, str(current.id), wanted.type)


def _new(name: str, wanted: Pool) -> WorkPoolCreate:
    template = asyncio.run(get_default_base_job_template_for_infrastructure_type(wanted.type))
    if template is None:
        raise SettingsError(
            where=f"work pool {name}",
            expected="a type that an installed package has a worker for",
            found=f"the type {wanted.type}",
            next_step="Correct the type in prefect.yaml, or install the package.",
        )
    fields: dict[str, Any] = {
        "name": name,
        "type": wanted.type,
        "description": wanted.description,
        "concurrency_limit": wanted.concurrency_limit,
        "base_job_template": template,
    }
    return WorkPoolCreate.model_validate(fields)
