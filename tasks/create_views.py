"""The view of current rows, the roles' views and the security tags, kept in step by each load.

Promise: the view of current rows is optional: a catalog that keeps no views, or refuses this one,
is logged; the load is not affected. A role's view is not: one that could not be brought up to date
may show more than the contract says, and that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect.logging import get_run_logger
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from blocks.run_settings import RunSettings
from history import HistorySettings
from history.iceberg.tag_properties import keep_tags
from history.reading.role_views import RefreshedViews, SecureView, refresh_role_views
from history.reading.sql_views import create_views, current_view
from history.release.release_record import Release, release_of
from history.release.routed_views import current_view_query, routed_views
from tasks.compiler.compile_contract import CompiledContract
from tasks.compiler.compile_role_rights import RoleRights
from tasks.observability.audit_log import AuditAction, AuditEntry, current_actor, record_audit
from tasks.run.run_context import Run


def create_target_views(run: Run, settings: HistorySettings) -> None:
    """Create the views over the run's target, where the catalog can."""
    log = get_run_logger()
    try:
        query = current_view_query(run.spark, run.target, settings)
        created = create_views(run.spark, run.target, settings, query=query)
    except (PySparkException, Py4JError) as error:
        # Its text may quote what the catalog stores; the log gets the error's type.
        log.warning("%s was not created: %s", current_view(run.target), type(error).__name__)
        return
    if not created:
        log.info("%s was not created: the catalog keeps no views", current_view(run.target))


def keep_access(run: Run, contract: CompiledContract) -> None:
    """Bring the roles' views and the security tags of the run's target in step with its contract.

    Raises:
        ContractError: The name of a role's view belongs to something else.
    """
    keep_tags(run.spark, run.target, contract.tags)
    change = ViewChange(contract.name, contract.version, f"load, batch {run.batch_id}")
    refreshed = refresh_views(
        run.spark, run.settings, run.target, contract.roles, change, at=run.started
    )
    if refreshed is None and contract.roles:
        get_run_logger().warning("no role of %s has a view: the catalog keeps no views", run.target)


@dataclass(frozen=True, slots=True)
class ViewChange:
    """Of which contract views are changed, and why, as the audit log keeps it."""

    contract: str
    version: str
    reason: str


def refresh_views(
    spark: SparkSession,
    settings: RunSettings,
    table: str,
    roles: Sequence[RoleRights],
    change: ViewChange,
    *,
    at: datetime,
) -> RefreshedViews | None:
    """Make the roles' views what their rights say; None: the catalog keeps no views.

    A change of what a role sees is in the audit log before it is made.

    Raises:
        ContractError: The name of a role's view belongs to something else.
    """

    def announce(plan: RefreshedViews) -> None:
        entry = AuditEntry(
            action=AuditAction.GRANT,
            subject=table,
            actor=current_actor(),
            reason=change.reason,
            contract=change.contract,
            contract_version=change.version,
            counts={"written": len(plan.written), "dropped": len(plan.dropped)},
            details={"written": ", ".join(plan.written), "dropped": ", ".join(plan.dropped)},
        )
        record_audit(spark, settings, [entry], at=at)

    views = secure_views(roles)
    release = _routing_release(spark, table)
    if release is not None:
        views = routed_views(spark, release, views)
    return refresh_role_views(spark, table, views, announce)


def secure_views(roles: Sequence[RoleRights]) -> dict[str, SecureView]:
    """What each role's view shows, by role."""
    return {each.role: SecureView(each.expressions, each.row_filter_sql) for each in roles}


def _routing_release(spark: SparkSession, table: str) -> Release | None:
    """The release of the table, if readers read from both of its tables."""
    release = release_of(spark, table)
    return release if release is not None and release.routes else None
