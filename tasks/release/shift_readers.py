"""Readers of the views are shifted from blue to green, and back, by one commit for all roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect.logging import get_logger

from contracts.errors import SettingsError, UsageError
from history.reading.role_views import RefreshedViews, SecureView, refresh_role_views
from history.reading.sql_views import create_views
from history.release.release_record import EVERYONE, Release, ReleaseState, write_record
from history.release.routed_views import (
    drop_shares,
    routed_current_view,
    routed_views,
    write_shares,
)
from tasks.compiler.compile_role_rights import compile_role_rights
from tasks.create_views import secure_views
from tasks.observability.audit_log import AuditAction
from tasks.release.release_place import Decided, ReleasePlace


def route_views(place: ReleasePlace, release: Release) -> bool:
    """Let the views read from both tables, by the release's shares.

    Returns:
        Whether the catalog keeps views; if not, readers can't be shifted.
    """
    blue = secure_views(compile_role_rights(place.contract))
    if not write_shares(place.spark, release, [*blue]):
        get_logger("strandline").warning(
            "%s: the catalog keeps no views, so readers can't be shifted", release.table
        )
        return False
    _refresh(place, routed_views(place.spark, release, blue))
    create_views(
        place.spark,
        release.table,
        place.history,
        query=routed_current_view(place.spark, release, place.history),
    )
    return True


def plain_views(place: ReleasePlace, views: Mapping[str, SecureView]) -> None:
    """Let the views read from the published table again, and drop the shares."""
    _refresh(place, views)
    create_views(place.spark, place.table, place.history)
    drop_shares(place.spark, place.table)


def shift(place: ReleasePlace, percent: int, roles: Sequence[str], decided: Decided) -> Release:
    """Give readers so many percent of the keys from green.

    Args:
        place: The table, whose lock is held.
        percent: Of all keys, from 0 to 100; a key that is read from green at some share is so at
            each greater one.
        roles: Only the readers of these roles; empty: all readers, those of a role of its own too.
        decided: Who decides, and why.

    Raises:
        SettingsError: The release is not at a point where readers are shifted, green is not up to
            date, nobody has compared it, or keys are not stored alike.
        UsageError: The contract has no such role.
    """
    release = place.release
    _refuse_shift(release, percent)
    known = [role.name for role in place.contract.roles]
    unknown = sorted({*roles} - {*known})
    if unknown:
        raise UsageError(
            where=f"the roles of {place.contract.name}",
            expected=f"of {', '.join(known) or '(there are none)'}",
            found=", ".join(unknown),
            next_step="Correct the name. Nothing was changed.",
        )
    shares = {**release.shares, **dict.fromkeys(roles, percent)} if roles else {EVERYONE: percent}
    place.record(
        AuditAction.SHIFT_READERS,
        decided,
        release,
        counts={"percent": percent},
        details={"readers": ", ".join(roles) or EVERYONE},
    )
    release = write_record(place.spark, release, shares=shares)
    route_views(place, release)
    return release


def _refresh(place: ReleasePlace, views: Mapping[str, SecureView]) -> None:
    refresh_role_views(place.spark, place.table, views, _told)


def _told(_plan: RefreshedViews) -> None:
    """The step of the release has its own record in the audit log, and it was written first."""


def _refuse_shift(release: Release, percent: int) -> None:
    where, name = f"{release.table}, release {release.id}", release.contract
    if not 0 <= percent <= 100:  # noqa: PLR2004 - percent
        raise UsageError(
            where=where,
            expected="a share from 0 to 100 percent",
            found=str(percent),
            next_step="Type another one. Nothing was changed.",
        )
    if release.state is not ReleaseState.RUNNING:
        raise SettingsError(
            where=where,
            expected="a release that is running",
            found=f"one that is {release.state}",
            next_step=f"strandline release status {name}",
        )
    if not percent:
        return
    refuse_unready(release)
    if not release.same_key and percent != 100:  # noqa: PLR2004 - percent
        raise SettingsError(
            where=where,
            expected="all readers, or those of some roles: keys are not stored alike in both "
            "tables, so that no share of them is the same one",
            found=f"{percent} percent",
            next_step="Shift 100 percent, of one role after the other. Nothing was changed.",
        )


def refuse_unready(release: Release) -> None:
    """Refuse to let readers see a green table that is not up to date, or that nobody compared.

    Raises:
        SettingsError: It is not, or nobody did.
    """
    if not release.failure and release.compared:
        return
    raise SettingsError(
        where=f"{release.table}, release {release.id}",
        expected="a green table that is up to date and was compared",
        found=release.failure or "that it was not compared yet",
        next_step=f"strandline release compare {release.contract}",
    )
