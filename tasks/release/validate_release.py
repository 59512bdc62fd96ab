"""A published release validated where readers read it: its versions, its views, its loads."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from contracts.errors import AuditError
from history.audit.history_invariants import broken_rules, repeated_numbers
from history.iceberg.history_table import exists
from history.reading.role_views import keeps_views, role_query, role_view, roles_with_views
from history.release.release_record import Release, ReleaseState
from history.schema_evolution.evolve_table import settings_of_table
from history.writing.surrogate_keys import NewNumbers
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.observability.run_metrics import FAILED, REFUSED
from tasks.release.release_contract import contract_of_release
from tasks.release.release_place import ReleasePlace
from tasks.run.run_context import ledger_table


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation of a published release found.

    Attributes:
        release: The release.
        versions: How many versions it looked at.
        problems: What is not as it has to be; empty: the release is sound.
    """

    release: Release
    versions: int
    problems: tuple[str, ...]


def validate_release(place: ReleasePlace) -> Validation:
    """Look at a published release as its readers do.

    It checks all versions by the rules of the history, each role's view (there, and readable), and
    how the loads since then ended.

    Raises:
        NotFoundError: There is no release.
        AuditError: There are problems, or the release is not promoted.
    """
    release = place.release
    if release.state is not ReleaseState.PROMOTED:
        raise AuditError(
            where=f"{release.table}, release {release.id}",
            expected="a release that is promoted",
            found=f"one that is {release.state}",
            next_step=f"strandline release promote {release.contract}",
        )
    problems = [*_broken_rules(place, release), *_views(place, release), *_loads(place, release)]
    versions = place.spark.table(place.table).count()
    found = Validation(release, versions, tuple(problems))
    if problems:
        raise AuditError(
            where=f"{release.table}, release {release.id}",
            expected="sound versions, views that can be read, and loads that succeed",
            found="; ".join(problems),
            next_step=f"strandline release rollback {release.contract} --reason ...",
        )
    return found


def _broken_rules(place: ReleasePlace, release: Release) -> list[str]:
    settings = history_settings(contract_of_release(release))
    settings = settings_of_table(place.spark, place.table, settings)
    versions = place.spark.table(place.table)
    columns = tuple(name for name in versions.columns if name not in settings.filled)
    counts = broken_rules(versions, settings, columns, numbers=False)
    found = counts.collect()[0].asDict()
    if settings.surrogate_key is not None:
        # None is new, so all are compared; in one task they would have to fit into its memory.
        none = NewNumbers(first=0, count=0)
        found["surrogate_unique"] = repeated_numbers(versions, settings, new=none)
    return [f"{count} x {rule}" for rule, count in found.items() if count]


def _views(place: ReleasePlace, release: Release) -> list[str]:
    spark, table, problems = place.spark, place.table, list[str]()
    if not keeps_views(spark, table):
        return problems
    there = roles_with_views(spark, table)
    for role, view in release.roles.items():
        name = role_view(table, role)
        if not role_query(spark, table, view):
            continue
        try:
            if role in there:
                spark.table(name).limit(1).collect()
            else:
                problems.append(f"no view for the role {role}")
        except PySparkException as error:
            problems.append(f"the view for the role {role}: {type(error).__name__}")
    return problems


def _loads(place: ReleasePlace, release: Release) -> list[str]:
    runs = ledger_table(place.settings, "run_metrics")
    promoted = place.spark.table(f"{place.table}.snapshots").where(
        F.col("snapshot_id") == F.lit(release.promoted)
    )
    at = promoted.select("committed_at").collect()
    if not at or not exists(place.spark, runs):
        return []
    since = place.spark.table(runs).where(
        (F.col("target_table") == place.table) & (F.col("start_time") > F.lit(at[0].committed_at))
    )
    ended = since.groupBy("state").count().collect()
    return [f"{row['count']} loads {row.state}" for row in ended if row.state in (FAILED, REFUSED)]
