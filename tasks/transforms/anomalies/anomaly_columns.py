"""Scoring rows by a model of `tasks.transforms.anomalies.anomaly_model`, in Spark expressions.

Promise: no job, no join and no Python code; the pass over the rows evaluates them, and no value
makes them fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.errors import UsageError
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.anomalies.anomaly_model import (
    CLUSTERED_WITHIN,
    MOST_SPREADS,
    AnomalyModel,
    Cluster,
    FeatureScale,
)
from tasks.transforms.mapping.typed_literals import is_float

__all__ = ["ANOMALY_TYPE", "measured", "with_anomalies"]

ANOMALY_TYPE = "struct<feature:string,distance:double>"
_SECONDS_A_DAY, _MICROSECONDS = 86_400.0, 1e6


def measured(columns: Sequence[str], kinds: Sequence[str]) -> Column:
    """A feature's value as DOUBLE, maybe infinite; null where it has none or is NaN.

    Args:
        columns: One numeric source column, or two of time: then the seconds from the first to the
            second.
        kinds: Their Spark types.
    """
    if len(columns) == 1:
        value = named(columns[0]).cast("double")
        return F.nanvl(value, F.lit(None).cast("double")) if is_float(kinds[0]) else value
    first, second = (_seconds(name, kind) for name, kind in zip(columns, kinds, strict=True))
    return second - first


def _seconds(name: str, kind: str) -> Column:
    """Seconds since 1970, also of a day that no timestamp can hold."""
    if kind == "date":
        return F.unix_date(named(name)).cast("double") * _SECONDS_A_DAY
    return F.unix_micros(named(name).cast("timestamp")).cast("double") / _MICROSECONDS


def with_anomalies(frame: DataFrame, model: AnomalyModel, column: str) -> DataFrame:
    """The source rows with a column of `ANOMALY_TYPE`, null in usual rows.

    `feature` is the name of the coordinate (`AnomalyModel.names`) that adds most to the distance,
    `distance` the distance in multiples of the cluster's limit, so over 1.

    It is computed in steps, each over the columns of the one before. As one expression, Spark would
    repeat each step wherever it is mentioned, until no compiled method could hold it.

    Args:
        frame: Rows with the source columns of the features.
        model: The whole model, not its public form.
        column: The name of the column; helping columns begin with it and are dropped.

    Raises:
        UsageError: The model lacks medians or spreads (`AnomalyModel.public_json`).
    """
    names = model.names
    z = [f"{column}_z{position}" for position, _ in enumerate(model.features)]
    at = [f"{column}_at{position}" for position, _ in enumerate(names)]
    parts = [f"{column}_part{position}" for position, _ in enumerate(names)]
    nearest, distance = f"{column}_nearest", f"{column}_distance"
    scaled = {name: _scaled(each) for name, each in zip(z, model.features, strict=True)}
    rows = frame.withColumns(scaled)
    rows = rows.withColumns({name: _within(named(name), MOST_SPREADS) for name in z})
    coordinates = _coordinates(model, [named(name) for name in z])
    rows = rows.withColumns(dict(zip(at, coordinates, strict=True)))
    values = [named(name) for name in at]
    rows = rows.withColumn(nearest, _nearest(model.clusters, values))
    squares = {
        part: _square(
            value
            - _by_cluster(named(nearest), [cluster.centre[position] for cluster in model.clusters])
        )
        for position, (part, value) in enumerate(zip(parts, values, strict=True))
    }
    rows = rows.withColumns(squares)
    known = [F.coalesce(named(part), F.lit(0.0)) for part in parts]
    per_limit = _by_cluster(named(nearest), [1 / cluster.limit for cluster in model.clusters])
    rows = rows.withColumn(distance, F.sqrt(_sum(known)) * per_limit)
    anomaly = F.struct(_greatest(names, known).alias("feature"), named(distance).alias("distance"))
    rows = rows.withColumn(column, F.when(named(distance) > F.lit(1.0), anomaly))
    return rows.drop(*z, *at, *parts, nearest, distance)


def _scaled(feature: FeatureScale) -> Column:
    """In spreads from the median."""
    if feature.median is None or feature.spread is None:
        raise UsageError(
            where=f"feature {feature.name} of an anomaly model",
            expected="its median and spread",
            found="a model from which they were left out",
            next_step="Score rows by the model that was made in the same run.",
        )
    # A product needs no check of its divisor, which Spark would compile into every use.
    value = measured(feature.columns, feature.kinds) - F.lit(feature.median)
    return value * F.lit(1 / feature.spread)


def _coordinates(model: AnomalyModel, scaled: Sequence[Column]) -> list[Column]:
    # Spark's asinh of a large negative number is minus infinity.
    features = [F.signum(z) * F.asinh(F.abs(z)) for z in scaled]
    pairs = [
        (scaled[pair.second] - F.lit(pair.slope) * scaled[pair.first] - F.lit(pair.intercept))
        * F.lit(1 / pair.spread)
        for pair in model.pairs
    ]
    return [*features, *pairs]


def _nearest(clusters: Sequence[Cluster], values: Sequence[Column]) -> Column:
    """The position of the nearest cluster, the first one where two are equally near."""
    known = [F.coalesce(value, F.lit(0.0)) for value in values]
    low, high = F.lit(-CLUSTERED_WITHIN), F.lit(CLUSTERED_WITHIN)
    points = [F.greatest(low, F.least(high, value)) for value in known]
    chosen = F.lit(len(clusters) - 1)
    for position in reversed(range(len(clusters) - 1)):
        nearer = [
            _is_nearer(points, clusters[position], other) for other in clusters[position + 1 :]
        ]
        is_nearest = reduce(lambda one, other: one & other, nearer)
        chosen = F.when(is_nearest, F.lit(position)).otherwise(chosen)
    return chosen


def _is_nearer(points: Sequence[Column], one: Cluster, other: Cluster) -> Column:
    """Whether a row is not farther from the one centre than from the other.

    The squares of the row's own coordinates are on both sides and drop out: what remains is which
    side of the plane between the two centres it is on.
    """
    both = [*zip(one.centre, other.centre, strict=True)]
    weighed = [point * F.lit(2 * (b - a)) for point, (a, b) in zip(points, both, strict=True)]
    return _sum(weighed) <= F.lit(sum(b * b - a * a for a, b in both))


def _by_cluster(nearest: Column, numbers: Sequence[float]) -> Column:
    """The number of the cluster at that position."""
    chosen = F.lit(numbers[-1])
    for position in reversed(range(len(numbers) - 1)):
        chosen = F.when(nearest == position, F.lit(numbers[position])).otherwise(chosen)
    return chosen


def _greatest(names: Sequence[str], parts: Sequence[Column]) -> Column:
    """The name of the greatest part."""
    each = [
        F.struct(part.alias("part"), F.lit(name).alias("name"))
        for part, name in zip(parts, names, strict=True)
    ]
    return F.array_max(F.array(*each))["name"]


def _within(value: Column, most: float) -> Column:
    # Both functions skip nulls, which shall stay nulls.
    return F.when(value.isNotNull(), F.greatest(F.lit(-most), F.least(F.lit(most), value)))


def _square(value: Column) -> Column:
    return F.pow(value, F.lit(2.0))


def _sum(values: Sequence[Column]) -> Column:
    return reduce(lambda one, other: one + other, values)
