"""The steps of a release as the command line and the flow of a release do them.

Promise: a step holds the table's lock, so that no load of it runs meanwhile; green is brought up to
date first wherever a step depends on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager

from contracts.errors import NotFoundError, SettingsError
from flows.release.load_green import bring_up_to_date
from history.release.promote_green import Promotion
from history.release.release_record import Release, ReleaseState
from tasks.release.begin_release import NewRelease, begin, started
from tasks.release.compare_release import ReleaseComparison, compare
from tasks.release.promote_release import (
    RolledBack,
    finish,
    promote,
    reopened,
    roll_back,
)
from tasks.release.release_place import Decided, ReleasePlace, release_place
from tasks.release.shift_readers import route_views, shift
from tasks.release.validate_release import Validation, validate_release


def start_release(contract: str, settings: str, new: NewRelease) -> Release:
    """Make green, fill it, load it by the new contract; no reader sees any of it.

    Raises:
        StrandlineError: As `tasks.release.begin_release.begin`.
    """
    with _place(contract, settings) as place:
        begin(place, new)
        _up_to_date(contract, settings)
        release = started(place, place.release)
        route_views(place, release)
        return release


def compare_release(contract: str, settings: str, *, load: bool = True) -> ReleaseComparison:
    """Bring green up to date, unless `load` is off, and compare it with the published table."""
    with _place(contract, settings) as place:
        if load and place.release.state is ReleaseState.RUNNING:
            _up_to_date(contract, settings)
        return compare(place)


def shift_release(
    contract: str, settings: str, percent: int, roles: Sequence[str], decided: Decided
) -> Release:
    """Give readers so many percent of the keys from green."""
    with _place(contract, settings) as place:
        return shift(place, percent, roles, decided)


def promote_release(contract: str, settings: str, decided: Decided) -> tuple[Release, Promotion]:
    """Bring green up to date, and publish it in one commit.

    Raises:
        SettingsError: Green can't be brought up to date, or nobody has compared it.
        StrandlineError: As `tasks.release.promote_release.promote`.
    """
    with _place(contract, settings) as place:
        if reopened(place).state is ReleaseState.RUNNING:
            release = _up_to_date(contract, settings)
            if release.failure:
                raise SettingsError(
                    where=f"{release.table}, release {release.id}",
                    expected="a green table that can be brought up to date",
                    found=release.failure,
                    next_step=f"strandline release rollback {release.contract}, or correct it and "
                    "try again. Nothing was changed.",
                )
        return promote(place, decided)


def roll_back_release(contract: str, settings: str, decided: Decided) -> RolledBack:
    """Let readers read what they read before the release, and drop green."""
    with _place(contract, settings) as place:
        return roll_back(place, decided)


def finish_release(contract: str, settings: str, decided: Decided) -> Release:
    """Give up the way back of a release that was promoted."""
    with _place(contract, settings) as place:
        return finish(place, decided)


def validate_published_release(contract: str, settings: str) -> Validation:
    """Look at a published release as its readers do.

    Raises:
        AuditError: It is not as it has to be.
    """
    with _place(contract, settings) as place:
        return validate_release(place)


def _place(contract: str, settings: str) -> AbstractContextManager[ReleasePlace]:
    return release_place(contract, settings, run_id=f"release-{uuid.uuid4()}")


def _up_to_date(contract: str, settings: str) -> Release:
    release = bring_up_to_date(contract, settings)
    if release is None:
        raise NotFoundError(
            where=contract,
            expected="the release that was there a moment ago",
            found="none",
            next_step=f"strandline release status {contract}",
        )
    return release
