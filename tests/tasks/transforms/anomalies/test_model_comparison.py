from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.transforms.anomalies.anomaly_model import AnomalyModel, Cluster, FeatureScale
from tasks.transforms.anomalies.model_comparison import compare_models

FARE = FeatureScale("fare", ("fare",), ("decimal(10,2)",), 100.0, 20.0)
AGE = FeatureScale("age", ("age",), ("int",), 40.0, 10.0)
MODEL = AnomalyModel(
    (FARE, AGE), (), (Cluster((0.0, 0.0), 4.0, 600), Cluster((1.0, 1.0), 4.0, 400)), 5000, 1000
)


def test_a_model_does_not_differ_from_itself():
    change = compare_models(MODEL, MODEL)

    assert change.distance == 0
    assert change.centres == 0
    assert change.lines[0] == "fare: median unchanged, spread 1.00 times the last one"
    assert "lies 0.00 spreads" in change.summary


def test_the_feature_that_moved_most_is_named_in_its_old_spreads():
    moved = replace(FARE, median=106.0, spread=40.0)
    new = replace(MODEL, features=(moved, replace(AGE, median=39.0)))

    change = compare_models(new, MODEL)

    assert change.distance == pytest.approx(0.3)
    assert change.feature == "fare"
    assert change.lines[:2] == (
        "fare: median 0.30 spreads higher, spread 2.00 times the last one",
        "age: median 0.10 spreads lower, spread 1.00 times the last one",
    )
    assert change.summary == (
        "The model of this batch lies 0.30 spreads from the last one (most in fare)."
    )


def test_centres_are_compared_with_the_nearest_ones_in_any_order():
    moved = (Cluster((1.0, 1.5), 4.0, 250), Cluster((0.0, 0.0), 4.0, 750))

    change = compare_models(replace(MODEL, clusters=moved), MODEL)

    assert change.centres == pytest.approx(0.5 * 0.25)


def test_other_features_are_said_to_be_others():
    other = FeatureScale("weight", ("weight",), ("double",), 1.0, 1.0)

    change = compare_models(replace(MODEL, features=(FARE, other)), MODEL)

    assert change.centres is None
    assert change.distance == 0
    assert change.lines[1:] == ("weight: was no feature before", "age: is no feature any more")


def test_hidden_features_are_compared_by_their_centres_only():
    public = AnomalyModel.from_json(MODEL.public_json({"fare"}))

    change = compare_models(replace(MODEL, features=(replace(FARE, median=900.0), AGE)), public)

    assert change.distance == 0
    assert change.feature == "age"
    assert change.centres == 0
    assert "900" not in "".join(change.lines)
    nothing = AnomalyModel.from_json(MODEL.public_json({"fare", "age"}))
    assert compare_models(MODEL, nothing).distance is None
    assert "can't be compared" in compare_models(MODEL, nothing).summary


def test_models_of_different_methods_are_not_compared():
    change = compare_models(MODEL, replace(MODEL, version=0))

    assert change.distance is None
    assert "different methods" in change.lines[0]
