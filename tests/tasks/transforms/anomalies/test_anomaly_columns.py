from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from contracts.errors import UsageError
from contracts.model import Feature
from tasks.transforms.anomalies.anomaly_columns import ANOMALY_TYPE, with_anomalies
from tasks.transforms.anomalies.anomaly_model import (
    AnomalyModel,
    Cluster,
    FeaturePair,
    FeatureScale,
)
from tasks.transforms.anomalies.model_fitting import fit_model
from tests.quick_spark import COMPILED
from tests.tasks.transforms.anomalies.flights import FEATURES, NAMES, SETTINGS, flights

LARGEST = 1.7976931348623157e308
ODD = (None, float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 5e-324, LARGEST, -LARGEST, 1e9)


@pytest.fixture(scope="module")
def model(spark):
    return fit_model(spark.createDataFrame(flights()), FEATURES, rows=3000, settings=SETTINGS)


@pytest.fixture(scope="module")
def rows():
    """Usual ones, and each odd value in each feature and in all of them."""
    usual = flights(seed=9)[:2000].to_numpy()
    odd = []
    for value in ODD:
        number = np.nan if value is None else value
        odd.append([number] * len(NAMES))
        for position in range(len(NAMES)):
            row = usual[7 + position].copy()
            row[position] = number
            odd.append(row)
    values = [
        [
            None if value is None or (np.isnan(value) and index % 2) else float(value)
            for value in row
        ]
        for index, row in enumerate([*usual, *odd])
    ]
    return [(index, *row) for index, row in enumerate(values)]


def by_the_formula(model, row):
    """The published formula, written down once more: the feature and the distance, or None."""
    scaled = []
    for value, scale in zip(row, model.features, strict=True):
        known = value is not None and not np.isnan(value)
        with np.errstate(over="ignore"):
            z = (np.float64(value) - scale.median) / scale.spread if known else np.nan
        scaled.append(min(max(z, -1e6), 1e6) if known else np.nan)
    coordinates = [np.arcsinh(z) for z in scaled]
    coordinates += [
        (scaled[pair.second] - pair.slope * scaled[pair.first] - pair.intercept) / pair.spread
        for pair in model.pairs
    ]
    clustered = [0.0 if np.isnan(c) else min(max(c, -2.0), 2.0) for c in coordinates]
    nearest = min(
        model.clusters,
        key=lambda each: sum((c - at) ** 2 for c, at in zip(clustered, each.centre, strict=True)),
    )
    parts = [
        0.0 if np.isnan(c) else (c - at) ** 2
        for c, at in zip(coordinates, nearest.centre, strict=True)
    ]
    distance = np.sqrt(sum(parts)) / nearest.limit
    return (model.names[int(np.argmax(parts))], distance) if distance > 1 else None


@pytest.mark.parametrize("compiled", [False, True])
def test_the_expression_computes_the_formula_on_every_row(spark, model, rows, compiled):
    session = spark.newSession() if compiled else spark
    for name, value in COMPILED.items() if compiled else ():
        session.conf.set(name, value)
    assert session.conf.get("spark.sql.ansi.enabled") == "true"
    schema = ", ".join(["id int", *[f"{name} double" for name in NAMES]])
    frame = session.createDataFrame(rows, schema).coalesce(1)

    scored = with_anomalies(frame, model, "a").collect()

    assert len(scored) == len(rows)
    assert sum(each.a is not None for each in scored) > 20
    for each in scored:
        expected = by_the_formula(model, rows[each.id][1:])
        if expected is None:
            assert each.a is None
        else:
            assert each.a.feature == expected[0]
            assert each.a.distance == pytest.approx(expected[1], rel=1e-9)


def test_the_column_has_the_stated_type(spark, model):
    frame = with_anomalies(spark.createDataFrame(flights(rows=1)), model, "a")

    assert frame.schema["a"].dataType.simpleString() == ANOMALY_TYPE


def test_a_null_is_never_what_makes_a_row_unusual(spark, model):
    rows = [
        (*[None if i & 1 << bit else value for bit, value in enumerate(values)],)
        for values in ((9e9, -9e9, 9e9, -9e9), (1.0, 2.0, 3.0, 4.0))
        for i in range(16)
    ]
    schema = ", ".join(f"{name} double" for name in NAMES)

    scored = with_anomalies(spark.createDataFrame(rows, schema), model, "a").collect()

    for row in scored:
        if row.a is not None:
            assert all(row[name] is not None for name in row.a.feature.split(" against "))
    assert scored[15].a is None


def test_names_are_taken_literally(spark):
    strange = FeatureScale("a b.c`d", ("a b.c`d",), ("bigint",), 10.0, 2.0)
    other = FeatureScale("x", ("x",), ("bigint",), 0.0, 1.0)
    model = AnomalyModel((strange, other), (), (Cluster((0.0, 0.0), 3.0, 9),), 9, 9)
    frame = spark.createDataFrame([(10, 0), (2**62, 0)], "`a b.c``d` bigint, x bigint")

    first, second = with_anomalies(frame, model, "a").collect()

    assert first.a is None
    assert second.a.feature == "a b.c`d"


def test_a_model_is_the_same_after_it_was_written_and_read(model):
    assert AnomalyModel.from_json(model.to_json()) == model
    assert AnomalyModel.from_json(model.public_json(frozenset())) == model


def test_the_public_form_tells_no_amount_of_a_hidden_feature(spark):
    secret = FeatureScale("salary", ("salary",), ("decimal(10,2)",), 48213.5, 9177.25)
    shown = FeatureScale("age", ("age",), ("int",), 41.5, 12.25)
    pair = FeaturePair(0, 1, 0.5, 0.25, 0.75)
    model = AnomalyModel((secret, shown), (pair,), (Cluster((0.0, 0.0, 0.0), 3.0, 9),), 9, 9)

    text = model.public_json({"salary"})

    assert "48213" not in text
    assert "9177" not in text
    assert json.loads(text)["features"][1]["median"] == 41.5
    public = AnomalyModel.from_json(text)
    frame = spark.createDataFrame([(1, 2)], ["salary", "age"])
    assert public.clusters == model.clusters
    with pytest.raises(UsageError, match="left out"):
        with_anomalies(frame, public, "a")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"features": 1}', "null"])
def test_another_text_is_no_model(text):
    with pytest.raises(UsageError, match="anomaly model"):
        AnomalyModel.from_json(text)


def test_one_cluster_and_one_coordinate_are_enough(spark):
    model = AnomalyModel(
        (FeatureScale("x", ("x",), ("double",), 0.0, 1.0),), (), (Cluster((0.0,), 3.0, 9),), 9, 9
    )
    frame = spark.createDataFrame(pd.DataFrame({"x": [9.0, 100.0]}))

    anomalies = [row.a for row in with_anomalies(frame, model, "a").collect()]

    assert anomalies[0] is None
    assert anomalies[1].distance == pytest.approx(np.arcsinh(100.0) / 3.0)
    assert Feature("x", ("x",)).name == anomalies[1].feature
