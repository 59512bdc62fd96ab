"""The readings, loaded by their flow."""

from __future__ import annotations

from flows.load_table import load_table
from tests.flows.readings import FIRST, SECOND, TABLE


def loaded_twice(place):
    """The workplace, with a first load and one of changes."""
    place.execute(TABLE)
    place.update(*FIRST)
    load_table("readings")
    place.update(*SECOND)
    load_table("readings")
    return place
