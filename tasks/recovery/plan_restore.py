"""What is done about one table or view of a backup, decided in plain values.

Promise: what is newer than the backup stays, unless somebody says otherwise; a table that only has
the name of the one that was saved is never replaced by accident.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tasks.recovery.backup_manifest import SavedPointer
from tasks.recovery.iceberg_catalog import Pointer, name_of, number_of


class Step(StrEnum):
    """What is done, in the words of the answer."""

    UNCHANGED = "unchanged"
    NEWER = "newer, left as it is"
    REGISTER = "registered"
    REPLACE = "repointed"
    GONE = "dropped since"


@dataclass(frozen=True, slots=True)
class Found:
    """What the catalog has: a pointer, one whose metadata can't be read, or none."""

    pointer: Pointer | None = None
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a table is not restored without `--force`: what was expected, and what is there."""

    expected: str
    found: str


def newest_of(saved: Pointer, later: Iterable[Pointer]) -> tuple[Pointer, bool]:
    """The last metadata file that was committed after the saved one, and whether that is certain.

    Each names the one before it. A writer that was killed between writing a file and committing it
    leaves one that nothing follows: of two that follow the same file the one with followers counts,
    and where both have none, neither does: the file before them is the last that is certain.
    """
    following: dict[str, list[Pointer]] = defaultdict(list)
    for each in later:
        if each.uuid == saved.uuid and each.previous:
            following[name_of(each.previous[-1])].append(each)
    newest = saved
    while candidates := following.get(newest.file):
        followed = [each for each in candidates if following.get(each.file)]
        if len(candidates) > 1 and len(followed) != 1:
            return newest, False
        newest = candidates[0] if len(candidates) == 1 else followed[0]
    return newest, True


def step_for(
    saved: SavedPointer, target: Pointer, found: Found, *, go_back: bool, force: bool
) -> Step | Refusal:
    """What is done about a table.

    Args:
        saved: What the backup has of it.
        target: The metadata file to point to: the saved one, or a later one.
        found: What the catalog has.
        go_back: What is newer is to be given up.
        force: So are another table of that name, and a state of which it is not known.
    """
    now = found.pointer
    if now is None:
        return Step.REPLACE if found.unreadable else Step.REGISTER
    if now.uuid == saved.uuid:
        if now.file == target.file:
            return Step.UNCHANGED
        if _follows(target, now):
            return Step.REPLACE
        if not go_back and _follows(now, target):
            return Step.NEWER
    return Step.REPLACE if force else _refusal(saved, now)


def step_for_moved(step: Step | Refusal) -> Step | Refusal:
    """The step where the catalog still points to where the warehouse was, and that can be read."""
    if step is Step.UNCHANGED:
        return Step.REPLACE
    if step is Step.NEWER:
        return Refusal(
            "all that was committed among the files that were moved",
            "later commits at the old address",
        )
    return step


def _refusal(saved: SavedPointer, now: Pointer) -> Refusal:
    if now.uuid == saved.uuid:
        return Refusal("a state that the backup does not undo", "one that is newer than the backup")
    return Refusal(
        f"the table that was saved (its id begins with {saved.uuid[:8]})",
        f"another one of that name (its id begins with {now.uuid[:8]})",
    )


def _follows(one: Pointer, other: Pointer) -> bool:
    """Whether the other metadata file came before the one.

    A file names the hundred before it; of older ones the number in the name tells.
    """
    if other.file in map(name_of, one.previous):
        return True
    number, before = number_of(one.file), number_of(other.file)
    oldest = number_of(name_of(one.previous[0])) if one.previous else None
    if number is None or before is None or oldest is None:
        return False
    return before < oldest < number
