"""The `prefect.yaml` of a project: deployments of its contracts, the upkeep, the backups."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.authoring.yaml_layout import flow

__all__ = ["deployment_file"]

_HEAD = """\
# What `strandline deploy` sets up: which table is loaded when, and where (docs/deployments.md).
# A parameter names a contract or a block and never holds a secret: parameters are stored as text.

name: strandline

# A worker runs the flows in this folder, in which locks, logs and relative paths of blocks begin.
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ $PWD }}"

# Prefect itself reads nothing below `definitions`; Strandline reads work_pools there.
definitions:
  work_pools:
    local:
      type: process
      description: Each run is a process with a Spark of its own, on the worker's machine.
      concurrency_limit: 1
  pool: &pool
    name: local
  # Runs of one deployment wait for each other: a second load of a table would find it held.
  one_at_a_time: &one_at_a_time
    limit: 1
    collision_strategy: ENQUEUE

deployments:
"""
_DEPLOYMENT = """\
  - name: {name}
    description: {description}
    entrypoint: {entrypoint}
    parameters: {parameters}
{schedules}    concurrency_limit: *one_at_a_time
    tags: {tags}
    work_pool: *pool
"""
_SCHEDULE = """\
    schedules:
      - {{cron: "{cron}", timezone: UTC}}
"""
_HOURLY, _NIGHTLY = "5 * * * *", "30 2 * * *"


def deployment_file(contracts: Iterable[str], incremental: Iterable[str]) -> str:
    """The text of the file.

    Args:
        contracts: The contracts, by name.
        incremental: Those that read what is new: every hour, the others every night.
    """
    names, hourly = [*contracts], {*incremental}
    return _HEAD + "\n".join(
        [
            *(_of_table(name, hourly=name in hourly) for name in names),
            _deployment(
                "all",
                "All tables side by side, when it is asked for.",
                "flows.load_tables.load_tables",
                {"contracts": ["*"], "settings": "default"},
                tags=["strandline"],
            ),
            _deployment(
                "maintain",
                "Upkeep of every table, ledger and stage, and of what was refused, every night.",
                "flows.maintenance.maintain.maintain",
                {"settings": "default", "dry_run": False},
                tags=["strandline", "upkeep"],
                cron="45 3 * * *",
            ),
            _deployment(
                "retention",
                "Records that were kept long enough are anonymised or deleted, every night.",
                "flows.apply_retention.apply_retention",
                {"contracts": [], "settings": "default", "dry_run": False},
                tags=["strandline", "retention"],
                cron="15 4 * * *",
            ),
            _deployment(
                "back-up",
                "A backup of catalog and key ring, every hour; so much is lost at most.",
                "flows.recovery.back_up.back_up",
                {"settings": "default"},
                tags=["strandline", "backup"],
                cron="35 * * * *",
            ),
        ]
    )


def _of_table(name: str, *, hourly: bool) -> str:
    what, when = ("What changed in", "every hour") if hourly else ("All of", "every night")
    return _deployment(
        name.replace("_", "-"),
        f"{what} {name}, {when}.",
        "flows.load_table.load_table",
        {"contract": name, "settings": "default", "approval_minutes": 0},
        tags=["strandline", "incremental" if hourly else "full"],
        cron=_HOURLY if hourly else _NIGHTLY,
    )


def _deployment(
    name: str,
    description: str,
    entrypoint: str,
    parameters: dict[str, object],
    *,
    tags: list[str],
    cron: str = "",
) -> str:
    return _DEPLOYMENT.format(
        name=flow(name),
        description=flow(description),
        entrypoint=entrypoint,
        parameters=flow(parameters),
        schedules=_SCHEDULE.format(cron=cron) if cron else "",
        tags=flow(tags),
    )
