"""Ends and removes the clusters that a crash left behind, when the next worker starts.

A watchdog ends its cluster even when its worker is killed. This is for when the watchdog was
killed as well, as by a machine that ran out of memory or was switched off.
"""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import UUID

import anyio
from prefect.client.orchestration import get_client

from deployments.ephemeral_spark.cleanup.crashed_run_report import report_crashed_run
from deployments.ephemeral_spark.cleanup.worker_temp_directory import discard_abandoned
from deployments.ephemeral_spark.clusters.cluster_processes import end_members
from deployments.ephemeral_spark.clusters.cluster_record import ClusterRecord, abandoned, discard
from deployments.ephemeral_spark.clusters.emr_serverless_api import Access, EmrServerlessApi

__all__ = ["end_orphaned_clusters"]

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


async def end_orphaned_clusters(home: Path, log: Log) -> None:
    """End and remove the clusters of dead watchdogs; what fails now, the next worker does."""
    await anyio.to_thread.run_sync(_end_all, home, log)


def _end_all(home: Path, log: Log) -> None:
    discard_abandoned(home)
    for directory, record in abandoned(home):
        end_members(directory.name)
        try:
            if record is not None:
                _report(record)
        except Exception as error:  # noqa: BLE001 - one that can't be ended must not block the rest
            log.warning("Left of an earlier worker: %s (%s)", directory, type(error).__name__)
            continue
        discard(directory)
        log.info("Ended and removed what an earlier worker left: %s", directory)


def _report(record: ClusterRecord) -> None:
    if record.job is not None:
        where = Access(region=record.job.get("region"), endpoint=record.job.get("endpoint"))
        EmrServerlessApi(where).cancel(record.job)
    with get_client(sync_client=True) as client:
        report_crashed_run(client, UUID(record.flow_run))
