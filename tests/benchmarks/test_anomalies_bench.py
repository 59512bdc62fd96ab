"""The benchmark of unusual rows: what it plants, how it compares, and one small run."""

from __future__ import annotations

import numpy as np

from benchmarks.anomalies.planted import FEATURES, SHAPES, flights, plant
from benchmarks.anomalies.results import better_on_each
from benchmarks.anomalies.subjects import OURS, SPECIFICATION, SUBJECTS

ROWS = 4_000


def test_a_shape_changes_the_planted_rows_alone_and_always_the_same_ones():
    real = flights(ROWS)
    for seed, shape in enumerate(SHAPES.values()):
        planted = plant(real, shape, seed)
        again = plant(real, shape, seed)
        changed = (planted.frame[[*FEATURES]] != real[[*FEATURES]]).any(axis=1)
        unknown = real[[*FEATURES]].isna().any(axis=1)

        assert len(planted.rows) == ROWS // 200
        # Two values that are exchanged may be equal.
        assert {*np.flatnonzero(changed & ~unknown)} <= {*planted.rows}
        assert changed[planted.rows].mean() > 0.8
        assert planted.frame.equals(again.frame)


def test_better_means_better_in_both_figures_for_every_shape():
    def row(shape, subject, precision, recall):
        return {"shape": shape, "subject": subject, "precision": precision, "recall": recall}

    rows = [row("a", "x", 0.9, 0.9), row("a", "y", None, 0.0), row("b", "x", 0.5, 0.5)]

    assert better_on_each([*rows, row("b", "y", 0.4, 0.4)], "x", "y")
    assert not better_on_each([*rows, row("b", "y", 0.6, 0.4)], "x", "y")


def test_contradictions_are_found_by_ours_and_not_as_specified(spark):
    shape = SHAPES["short distance, long air time"]
    planted = plant(flights(ROWS), shape, 3)

    found = {
        subject: SUBJECTS[subject](spark, planted.frame)[planted.rows].mean()
        for subject in (OURS, SPECIFICATION)
    }

    assert found[OURS] > 0.9
    assert found[SPECIFICATION] == 0
