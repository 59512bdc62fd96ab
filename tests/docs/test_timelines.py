"""The pictures of time lines show what the rules of the history give."""

from __future__ import annotations

import pytest

from tests.history.reference import Event, history
from tests.history.values import rank
from tools.draw_timelines import CASES, FOLDER, Interval, picture


def events(changes):
    for change in changes:
        operation = "delete" if change.value is None else "upsert"
        yield Event(("4711",), change.day, (change.value,), (), operation, (change.tie,))


def versions(changes):
    found, _, _ = history(events(changes), rank)
    lines = [Interval(each.tracked[0], each.start, each.end) for each in found]
    return tuple(sorted(lines, key=lambda each: each.start))


@pytest.mark.parametrize("name", CASES)
def test_a_picture_shows_the_versions_before_and_after(name):
    case = CASES[name]

    assert versions(case.known) == case.before
    assert versions((*case.known, *case.arrives)) == case.after
    assert case.before != case.after


@pytest.mark.parametrize("name", CASES)
def test_a_picture_is_drawn_as_the_code_draws_it(name):
    drawn = (FOLDER / f"timeline-{name}.svg").read_text(encoding="utf-8")

    assert drawn == picture(CASES[name]), "python -m tools.draw_timelines"


def test_the_two_of_a_tie_are_refused():
    case = CASES["tie"]
    _, refused, _ = history(events((*case.known, *case.arrives)), rank)

    assert {event.tracked for event in refused} == {("Bonn",), ("Köln",)}
