"""What is done about a table, in plain values: nothing newer is undone by accident."""

from __future__ import annotations

import pytest

from tasks.recovery.backup_manifest import SavedPointer
from tasks.recovery.iceberg_catalog import Pointer, in_order_of_backup
from tasks.recovery.plan_restore import Found, Refusal, Step, newest_of, step_for


def location(number: int, tail: str = "a") -> str:
    return f"s3://b/t/metadata/{number:05d}-{tail}.metadata.json"


def state(number: int, tail: str = "a", *, uuid: str = "u", before: str | None = None) -> Pointer:
    previous = tuple(location(each) for each in range(max(number - 3, 0), number))
    if before is not None:
        previous = (*previous[:-1], before)
    return Pointer(location(number, tail), uuid, number, previous)


def saved(number: int) -> SavedPointer:
    return SavedPointer("a.t", location(number), "u", number, "c", 1)


def test_the_newest_state_is_found_by_what_each_file_names_before_it():
    assert newest_of(state(3), [state(6), state(4), state(5)]) == (state(6), True)
    assert newest_of(state(3), []) == (state(3), True)


def test_a_file_that_was_never_committed_does_not_count():
    lost_race = state(4, "b")
    assert newest_of(state(3), [state(4), lost_race, state(5)]) == (state(5), True)
    # Nothing follows either of them: the state before is the last that is certain.
    assert newest_of(state(3), [state(4), lost_race]) == (state(3), False)


def test_files_of_another_table_and_a_gap_are_not_followed():
    assert newest_of(state(3), [state(4, uuid="v"), state(6)]) == (state(3), True)


@pytest.mark.parametrize(
    ("now", "target", "go_back", "step"),
    [
        (Found(), state(5), False, Step.REGISTER),
        (Found(unreadable=True), state(5), False, Step.REPLACE),
        (Found(state(5)), state(5), False, Step.UNCHANGED),
        (Found(state(7)), state(5), False, Step.NEWER),
        (Found(state(4)), state(5), False, Step.REPLACE),
        # So much newer that its metadata no longer name the saved file.
        (Found(state(90)), state(5), False, Step.NEWER),
        (Found(state(4)), state(90), False, Step.REPLACE),
    ],
)
def test_steps(now, target, go_back, step):
    assert step_for(saved(5), target, now, go_back=go_back, force=False) is step


@pytest.mark.parametrize(
    ("now", "go_back", "found"),
    [
        (Found(state(7)), True, "newer than the backup"),
        (Found(state(5, "x", uuid="v")), False, "another one of that name"),
        # Of the same number, and neither came before the other.
        (Found(state(5, "x")), False, "newer than the backup"),
    ],
)
def test_what_would_be_given_up_is_refused_unless_somebody_insists(now, go_back, found):
    refusal = step_for(saved(5), state(5), now, go_back=go_back, force=False)

    assert isinstance(refusal, Refusal)
    assert found in refusal.found
    assert step_for(saved(5), state(5), now, go_back=go_back, force=True) is Step.REPLACE


def test_what_a_table_refers_to_is_read_after_it():
    names = ["a.t__kept_events", "governance.audit_log", "a.t", "b.u"]

    ordered = in_order_of_backup(names, "governance")

    assert ordered == ["a.t", "b.u", "a.t__kept_events", "governance.audit_log"]
