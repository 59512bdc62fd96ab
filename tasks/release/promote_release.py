"""Green becomes the published history, and the way back.

Promise: readers see the one or the other, and never a part of each: promoting is one commit of the
published table, and so is going back. A step that was stopped is completed by the same command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contracts.errors import SettingsError
from history import Batch
from history.iceberg.current_snapshot import CurrentState, current_state, state_of_snapshot
from history.iceberg.tag_properties import keep_tags
from history.reading.role_views import SecureView, role_view, roles_with_views
from history.release.green_table import drop_green
from history.release.promote_green import (
    Promotion,
    batch_of_release,
    give_up_way_back,
    keep_way_back,
    move_back,
    publish_promotion,
    records_of,
    write_promotion,
)
from history.release.release_record import EVERYONE, Release, ReleaseState, write_record
from history.release.routed_views import write_shares
from history.spark.column_quoting_and_comparison import named
from tasks.compiler.compile_role_rights import compile_role_rights
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.compiler.security_tags import security_tags
from tasks.compiler.source_kind_in_history_table import with_recorded_source_kind
from tasks.create_views import secure_views
from tasks.erasure.legal_holds import refuse_held_rows
from tasks.lifecycle.open_run import run_of_batch
from tasks.observability.audit_log import AuditAction
from tasks.observability.audit_log.audit_of_tables import batch_properties, record_published
from tasks.observability.lineage_rows import append_lineage_of_numbers
from tasks.observability.run_metrics import record_unrecorded
from tasks.release.carried_counts import pipeline_entries
from tasks.release.green_ledger_rows import forget_green, keep_green_refused
from tasks.release.release_contract import contract_of_release
from tasks.release.release_place import Decided, ReleasePlace
from tasks.release.shift_readers import plain_views, refuse_unready
from tasks.run.run_context import ledger_table


@dataclass(frozen=True, slots=True)
class RolledBack:
    """How a release was rolled back.

    Attributes:
        release: The release.
        was_promoted: Whether green had been published.
        batches: Batches that were published since it was: the next load reads what they read.
    """

    release: Release
    was_promoted: bool
    batches: tuple[str, ...] = ()


def promote(place: ReleasePlace, decided: Decided) -> tuple[Release, Promotion]:
    """Publish green, and let the views read it by its contract.

    Raises:
        SettingsError: Green is not up to date, was not compared, or the release is not at a point
            where it is promoted.
        LegalHoldError: A version about a person under legal hold would leave or change.
        AuditError: What was written is not what green is; nothing was published.
        CommitConflictError: Another writer published first; nothing was published.
    """
    spark, release = place.spark, place.release
    _refuse_promotion(release)
    green = with_recorded_source_kind(spark, contract_of_release(release), release.green)
    settings = history_settings(green)
    batch = Batch(
        table=place.table,
        settings=settings,
        id=batch_of_release(release.id),
        time=datetime.fromisoformat(release.started_at),
        quarantine=ledger_table(place.settings, "quarantine"),
        source="release",
    )
    run = run_of_batch(spark, green, place.settings, batch)
    record_unrecorded(run)
    state = current_state(spark, place.table)
    if state is None:
        raise _no_state(place)
    if batch.id not in state.batches:
        _refuse_held_leaving(place, release)
        place.record(AuditAction.PROMOTE_RELEASE, decided, release, counts=dict(release.compared))
        keep_way_back(spark, place.table, release.id, state.snapshot_id)
        release = write_record(
            spark,
            release,
            state=ReleaseState.PROMOTING,
            snapshot_before=state.snapshot_id,
            properties_before=records_of(spark, place.table),
            roles_before=secure_views(compile_role_rights(place.contract)),
        )
    name = f"{green.name} {green.version}"
    entries = batch_properties(state, name, actor=decided.by) | pipeline_entries(
        current_state(spark, release.green), release, at=decided.at
    )
    try:
        written = write_promotion(spark, batch, release.green, state, entries)
        if written.head is not None and release.roles != release.roles_before:
            # What green's contract hides must not be shown by the right that blue's contract gives.
            write_shares(spark, replace(release, shares={EVERYONE: 100}), [*release.roles_before])
        snapshot = publish_promotion(spark, batch, release.green, written)
    except BaseException:
        if _is_unpublished(place, batch):
            write_shares(spark, release, [*release.roles_before])
            write_record(spark, release, state=ReleaseState.RUNNING)
        raise
    plain_views(replace(place, contract=green), dict(release.roles))
    keep_tags(spark, place.table, security_tags(green))
    if written.head is not None:
        append_lineage_of_numbers(run, after=state.high_water)
        counts = {name: getattr(written, name) for name in ("added", "changed", "removed")}
        record_published(
            spark, place.settings, place.table, snapshot, reason=decided.reason,
            at=datetime.now(UTC), counts=counts,
        )  # fmt: skip
        record_unrecorded(run)
    keep_green_refused(place, release)
    release = write_record(spark, release, state=ReleaseState.PROMOTED, promoted=snapshot)
    return release, written


def reopened(place: ReleasePlace) -> Release:
    """The release; as running again where promoting it was stopped before it was published.

    The table may have been loaded since, and green not.
    """
    release, state = place.release, current_state(place.spark, place.table)
    published = state is not None and batch_of_release(release.id) in state.batches
    if release.state is not ReleaseState.PROMOTING or published:
        return release
    return write_record(place.spark, release, state=ReleaseState.RUNNING)


def roll_back(place: ReleasePlace, decided: Decided) -> RolledBack:
    """Let readers read what they read before the release, and drop green.

    What was loaded since green was promoted leaves with it: the watermark is that of before, so
    that the next load reads it again, by the contract of before.

    Raises:
        NotFoundError: There is no release, or the state before it has expired.
    """
    spark, release = place.spark, place.release
    state = current_state(spark, place.table)
    was_promoted = state is not None and batch_of_release(release.id) in state.batches
    since = _batches_since(place, state, release) if state is not None and was_promoted else ()
    if release.state is not ReleaseState.ROLLING_BACK:
        place.record(
            AuditAction.ROLL_BACK_RELEASE,
            decided,
            release,
            counts={"batches_since": len(since)},
            details={"was": str(release.state)},
        )
        if release.routes:
            # The one commit after which no reader of a view reads green.
            write_shares(spark, replace(release, shares={EVERYONE: 0}), [*_blue_views(place)])
        release = write_record(
            spark, release, state=ReleaseState.ROLLING_BACK, shares={EVERYONE: 0}
        )
    if release.snapshot_before is not None:
        if was_promoted:
            _drop_wider_views(place, release)
            move_back(
                spark,
                place.table,
                release.snapshot_before,
                release.properties_before,
                place.history,
            )
        give_up_way_back(spark, place.table, release.id)
    plain_views(place, dict(release.roles_before) or _blue_views(place))
    forget_green(place, release)
    drop_green(spark, place.table)
    return RolledBack(release, was_promoted, since)


def finish(place: ReleasePlace, decided: Decided) -> Release:
    """Give up the way back of a release that was promoted, and drop what it kept for it.

    Raises:
        SettingsError: It is not promoted.
    """
    spark, release = place.spark, place.release
    if release.state is not ReleaseState.PROMOTED:
        raise SettingsError(
            where=f"{release.table}, release {release.id}",
            expected="a release that is promoted",
            found=f"one that is {release.state}",
            next_step=f"Promote it, or roll it back: strandline release status {release.contract}",
        )
    place.record(AuditAction.FINISH_RELEASE, decided, release)
    give_up_way_back(spark, place.table, release.id)
    forget_green(place, release)
    drop_green(spark, place.table)
    return release


def _blue_views(place: ReleasePlace) -> dict[str, SecureView]:
    return dict(secure_views(compile_role_rights(place.contract)))


def _refuse_promotion(release: Release) -> None:
    if release.state is ReleaseState.PROMOTING:
        return
    if release.state is not ReleaseState.RUNNING:
        raise SettingsError(
            where=f"{release.table}, release {release.id}",
            expected="a release that is running",
            found=f"one that is {release.state}",
            next_step=f"strandline release status {release.contract}",
        )
    refuse_unready(release)


def _no_state(place: ReleasePlace) -> SettingsError:
    return SettingsError(
        where=place.table,
        expected="a published history",
        found="none",
        next_step=f"strandline run {place.contract.name}",
    )


def _is_unpublished(place: ReleasePlace, batch: Batch) -> bool:
    state = current_state(place.spark, place.table)
    return state is not None and batch.id not in state.batches


def _batches_since(place: ReleasePlace, state: CurrentState, release: Release) -> tuple[str, ...]:
    """The batches that a table published after a release."""
    if release.snapshot_before is None:
        return ()
    before = state_of_snapshot(place.spark, place.table, release.snapshot_before)
    return tuple(sorted(state.batches - before.batches - {batch_of_release(release.id)}))


def _refuse_held_leaving(place: ReleasePlace, release: Release) -> None:
    """Refuse a promotion by which a version about a person under legal hold leaves."""
    settings = place.history
    at = [*settings.key, settings.sequence]
    blue, green = place.spark.table(place.table), place.spark.table(release.green)
    if not {*at} <= {*green.columns}:
        leaving = blue
    else:
        leaving = blue.join(green.select(*map(named, at)), at, "left_anti")
    refuse_held_rows(
        place.spark,
        place.settings,
        place.contract,
        leaving,
        expected="a release by which no version about a person under legal hold leaves",
        found="such versions that green does not have",
    )


def _drop_wider_views(place: ReleasePlace, release: Release) -> None:
    """Drop views that would show more of blue's rows than blue's contract does, for a moment."""
    there = roles_with_views(place.spark, place.table)
    for role, view in release.roles.items():
        if release.roles_before.get(role) == view:
            continue
        if role in there:
            place.spark.sql(f"DROP VIEW IF EXISTS {role_view(place.table, role)}")
