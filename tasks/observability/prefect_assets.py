"""Source and target as Prefect assets: which table a run materialises, and from which one.

The keys name tables and never rows: `iceberg://catalog/namespace/table` and, by the source's
dialect, `postgresql://host/database/schema/table`. Prefect allows no spaces, quotes and the like in
a key: there they are `_`.
"""

from __future__ import annotations

import re
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.assets import Asset, AssetProperties
from prefect.cache_policies import NO_CACHE
from prefect.tasks import MaterializingTask

from history import WriteResult
from tasks.compiler.compile_contract import CompiledContract
from tasks.run.run_context import Run

_NOT_IN_KEYS = re.compile(r"""[\s\0#?&%"'<>\[\]{}|\\^`]""")

P = ParamSpec("P")
R = TypeVar("R")


def target_asset(run: Run, contract: CompiledContract) -> Asset:
    """The history that the run loads."""
    about = AssetProperties(
        name=contract.table, description=contract.description.strip(), owners=[contract.owner]
    )
    return Asset(key=f"iceberg://{run.target.replace('.', '/')}", properties=about)


def source_asset(run: Run) -> Asset:
    """The table that its rows come from."""
    path = _NOT_IN_KEYS.sub("_", f"{run.source.location}/{run.relation.replace('.', '/')}")
    return Asset(key=f"{run.source.dialect}://{path}")


def published_asset(
    run: Run, contract: CompiledContract, step: Task[P, R], written: WriteResult
) -> Task[P, R]:
    """The step as one that materialises the target; as it is where there is nothing to publish."""
    if written.evidence is None:
        return step
    return MaterializingTask(
        fn=step.fn,
        name=step.name,
        assets=[target_asset(run, contract)],
        asset_deps=[source_asset(run)],
        materialized_by="strandline",
        cache_policy=NO_CACHE,
        persist_result=False,
    )
