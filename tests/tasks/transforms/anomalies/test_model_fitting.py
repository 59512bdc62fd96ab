from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from contracts.model import AnomalySettings, Feature
from tasks.transforms.anomalies.anomaly_columns import with_anomalies
from tasks.transforms.anomalies.anomaly_model import AnomalyModel, NotEvaluated
from tasks.transforms.anomalies.model_fitting import fit_model
from tests.tasks.transforms.anomalies.flights import FEATURES, NAMES, SETTINGS, flights

PLANTED = {
    "late beyond all others": ({"departure_delay": 2000.0, "arrival_delay": 1995.0}, "delay"),
    "an arrival of its own": ({"departure_delay": 5.0, "arrival_delay": 400.0}, "arrival_delay"),
    "seconds for minutes": ({"air_time": 6000.0, "distance": 640.0}, "air_time"),
    "short, and long under way": ({"air_time": 330.0, "distance": 210.0}, "air_time"),
    "a sign": ({"air_time": -145.0, "distance": 1000.0}, "air_time"),
    "two fields exchanged": ({"air_time": 1000.0, "distance": 145.0}, "distance"),
}
USUAL = {"departure_delay": 5.0, "arrival_delay": 0.0, "air_time": 145.0, "distance": 1000.0}


@pytest.fixture(scope="module")
def model(spark):
    made = fit_model(spark.createDataFrame(flights()), FEATURES, rows=3000, settings=SETTINGS)
    assert isinstance(made, AnomalyModel)
    return made


def found(spark, model, rows):
    """What is said of each of the rows."""
    frame = with_anomalies(spark.createDataFrame(pd.DataFrame(rows)), model, "a")
    return [row.a for row in frame.collect()]


@pytest.mark.parametrize("case", PLANTED)
def test_a_row_unlike_the_others_is_found_with_what_makes_it_so(spark, model, case):
    values, feature = PLANTED[case]

    (anomaly,) = found(spark, model, [{**USUAL, **values}])

    assert anomaly is not None
    assert feature in anomaly.feature
    assert anomaly.distance > 1


def test_few_usual_rows_are_found(spark, model):
    anomalies = found(spark, model, flights(seed=6))

    assert sum(each is not None for each in anomalies) <= 3000 * 0.005


def test_a_row_without_values_is_not_unusual(spark, model):
    nothing = dict.fromkeys(NAMES, float("nan"))

    assert found(spark, model, [nothing, {**nothing, "distance": 2400.0}]) == [None, None]


def test_features_that_go_together_are_compared(model):
    assert model.names[4:] == ("arrival_delay against departure_delay", "distance against air_time")


def test_the_order_of_the_sample_does_not_matter(spark, model):
    shuffled = flights().sample(frac=1, random_state=3)
    sample = spark.createDataFrame(shuffled).repartition(5, "distance")

    assert fit_model(sample, FEATURES, rows=3000, settings=SETTINGS) == model


def test_outliers_in_the_sample_do_not_hide_themselves(spark):
    rows = flights()
    # A cluster of its own, of one row in a hundred, beyond what the others are.
    rows.loc[:29, list(NAMES)] = [-20.0, -150.0, 20.0, 4500.0]
    sample = spark.createDataFrame(rows)

    model = fit_model(sample, FEATURES, rows=3000, settings=SETTINGS)

    assert all(each is not None for each in found(spark, model, rows[:30]))
    assert min(cluster.rows for cluster in model.clusters) >= 3000 * 0.02


def test_a_sample_beyond_the_limit_is_thinned_out(spark):
    settings = replace(SETTINGS, sample_rows=1200)

    model = fit_model(spark.createDataFrame(flights()), FEATURES, rows=3000, settings=settings)

    assert model.sample_rows == 1200
    assert sum(cluster.rows for cluster in model.clusters) == 1200


@pytest.mark.parametrize(
    ("rows", "sampled", "features", "reason"),
    [
        (999, 999, FEATURES, "999 rows; at least 1000 are needed"),
        (0, 0, FEATURES, "0 rows; at least 1000 are needed"),
        (3000, 3000, FEATURES[:1], "1 feature; at least 2 are needed"),
        (3000, 3000, (), "0 features; at least 2 are needed"),
        (3000, 100, FEATURES, "a sample of 100 rows, which is too few of 3000"),
    ],
)
def test_too_little_is_not_evaluated(spark, rows, sampled, features, reason):
    sample = spark.createDataFrame(flights()).limit(sampled)

    outcome = fit_model(sample, features, rows=rows, settings=SETTINGS)

    assert outcome == NotEvaluated(reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("7.25D", "is one and the same in nine tenths of the rows"),
        ("CASE WHEN distance < 0 THEN 1.0D END", "has no value in half of the rows"),
        ("double('NaN')", "has no value in half of the rows"),
        ("double('-Infinity')", "has no value in half of the rows"),
        ("'7'", "not a number but string"),
        ("monotonically_increasing_id()", "differs in every row, so it identifies"),
        ("IF(distance > 500, 1.7e308D, -1.7e308D)", "is spread beyond"),
    ],
    ids=["constant", "null", "NaN", "infinity", "text", "identifier", "too large"],
)
def test_a_feature_that_tells_nothing_is_left_out(spark, value, reason):
    sample = spark.createDataFrame(flights()).withColumn("odd", F.expr(value))
    features = (Feature("odd", ("odd",)), *FEATURES[2:])

    model = fit_model(sample, features, rows=3000, settings=AnomalySettings())
    alone = fit_model(sample, features[:2], rows=3000, settings=AnomalySettings())

    assert [name for name, _ in model.left_out] == ["odd"]
    assert reason in model.left_out[0][1]
    assert [each.name for each in model.features] == ["air_time", "distance"]
    assert isinstance(alone, NotEvaluated)
    assert "1 feature left" in alone.reason
    assert reason in alone.reason


def test_a_listed_feature_is_not_taken_for_an_identifier(spark):
    sample = spark.createDataFrame(flights()).withColumn("odd", F.monotonically_increasing_id())
    features = (Feature("odd", ("odd",)), *FEATURES[2:])

    model = fit_model(sample, features, rows=3000, settings=AnomalySettings(features=features))

    assert model.left_out == ()


def test_a_missing_column_is_left_out(spark):
    features = (*FEATURES[:2], Feature("gone", ("gone",)))

    model = fit_model(spark.createDataFrame(flights()), features, rows=3000, settings=SETTINGS)

    assert model.left_out == (("gone", "not a number but missing"),)


def test_decimals_and_whole_numbers_are_features_too(spark, model):
    exact = spark.createDataFrame(flights()).select(
        *[F.when(~F.isnan(name), F.col(name)).cast("decimal(10,1)").alias(name) for name in NAMES]
    )

    made = fit_model(exact, FEATURES, rows=3000, settings=SETTINGS)

    assert made.clusters == model.clusters
    assert {each.kinds for each in made.features} == {("decimal(10,1)",)}
    row = spark.createDataFrame(
        [(Decimal(5), Decimal(0), Decimal(145), Decimal(300_000_000))], exact.schema
    )
    (anomaly,) = with_anomalies(row, made, "a").collect()
    assert "distance" in anomaly.a.feature


def test_three_points_are_three_clusters_that_any_other_row_is_outside_of(spark):
    points = pd.DataFrame({"x": [0.0, 5.0, 10.0] * 400, "y": [0.0, 10.0, 5.0] * 400})
    features = (Feature("x", ("x",)), Feature("y", ("y",)))
    settings = AnomalySettings(features=features)

    model = fit_model(spark.createDataFrame(points), features, rows=1200, settings=settings)

    assert [cluster.rows for cluster in model.clusters] == [400, 400, 400]
    assert found(spark, model, points[:3]) == [None, None, None]
    assert found(spark, model, [{"x": 500.0, "y": 0.0}])[0].feature == "x"


def test_one_point_in_half_of_the_rows_and_two_of_one_value_have_a_model(spark):
    points = pd.DataFrame({"x": [1.0, 2.0] * 600, "y": [3.0, 3.0, 4.0, 3.0] * 300})
    features = (Feature("x", ("x",)), Feature("y", ("y",)))
    settings = AnomalySettings(features=features)

    model = fit_model(spark.createDataFrame(points), features, rows=1200, settings=settings)

    assert sum(cluster.rows for cluster in model.clusters) == 1200
    assert found(spark, model, points[:4]) == [None] * 4


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz", "date"])
def test_time_between_two_columns_is_a_feature(spark, kind):
    start = datetime(2024, 1, 1)
    chance = np.random.default_rng(8)
    rows = [
        (start + timedelta(hours=i), start + timedelta(hours=i + chance.uniform(24, 240)), i % 7.0)
        for i in range(1200)
    ]
    frame = spark.createDataFrame(rows, ["ordered", "sent", "items"])
    frame = frame.select(F.col("ordered").cast(kind), F.col("sent").cast(kind), "items")
    features = (Feature("under way", ("ordered", "sent")), Feature("items", ("items",)))
    settings = AnomalySettings(features=features)

    model = fit_model(frame, features, rows=1200, settings=settings)

    assert 24 * 3600 < model.features[0].median < 240 * 3600
    odd = [(date(9999, 12, 31), date(1, 1, 1), 3.0), (start, None, 3.0)]
    row = spark.createDataFrame(
        [(str(one), other and str(other), n) for one, other, n in odd], frame.columns
    )
    row = row.select(F.col("ordered").cast(kind), F.col("sent").cast(kind), "items")
    scored = with_anomalies(row, model, "a").select("a")
    anomalies = [each.a for each in scored.collect()]
    assert anomalies[0].feature == "under way"
    assert anomalies[1] is None
