"""The model of a batch's usual rows, made of a bounded sample of them (spec 1.3).

Promise: the same rows give the same model in whatever order they come, a few percent of outliers
do not shape it, and where no model can be made the reason says why.

K-means is Spark's, with 3 centres and seed 42; the rest is arithmetic over the sample in this
process. The sample is collected, so it has to be bounded where it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.ml.clustering import KMeans
from pyspark.sql import DataFrame, SparkSession

from contracts.model import AnomalySettings, Feature
from tasks.transforms.anomalies.anomaly_columns import measured
from tasks.transforms.anomalies.anomaly_model import (
    CLUSTERED_WITHIN,
    MOST_SPREADS,
    AnomalyModel,
    Cluster,
    FeaturePair,
    FeatureScale,
    NotEvaluated,
)
from tasks.transforms.mapping.typed_literals import is_integer, is_number

__all__ = ["fit_model"]

Numbers: TypeAlias = npt.NDArray[np.float64]

_CENTRES, _SEED = 3, 42
_LEAST_FEATURES = 2
_IQR_OF_NORMAL, _MIDDLE_90_OF_NORMAL = 1.349, 3.290
"""How many standard deviations of a normal distribution its middle half and nine tenths span."""
_CORRELATED = 0.5
"""Features whose ranks correlate at least so much, either way, go together."""
_MIDDLE, _KEPT_BY_LINE, _LINE_ROUNDS = 3.0, 0.9, 8
_CLOSEST_PAIR = 0.05
"""No pair is taken for closer than this part of a spread: rounding is no contradiction."""
_SMALLEST_CLUSTER = 0.02
"""A smaller part of the sample is no kind of row but far from all kinds."""
_LEAST_FOR_OWN_LIMIT = 100
_LIMIT_SPREADS, _LEAST_LIMIT = 4.0, 3.0


def fit_model(
    sample: DataFrame,
    features: Sequence[Feature],
    *,
    rows: int,
    settings: AnomalySettings,
) -> AnomalyModel | NotEvaluated:
    """The model of a batch, or why there is none.

    Args:
        sample: Rows of the batch with the source columns of the features, in any order; about
            `settings.sample_rows` of them, and all are collected. If there are more, evenly spaced
            ones of the sorted rows are used.
        features: What rows are compared by (`tasks.transforms.anomalies.feature_selection`).
        rows: How many rows the batch has.
        settings: The contract's.

    Returns:
        `NotEvaluated` when there are fewer than 2 features with a spread, fewer rows than
        `settings.minimum_rows`, or less than half of those in the sample.
    """
    if rows < settings.minimum_rows:
        return NotEvaluated(f"{rows} rows; at least {settings.minimum_rows} are needed")
    if len(features) < _LEAST_FEATURES:
        return NotEvaluated(f"{_counted(len(features))}; at least {_LEAST_FEATURES} are needed")
    kinds = dict(sample.dtypes)
    by_type, left_out = _usable_types(features, kinds)
    values = _values(sample, by_type, kinds, settings.sample_rows)
    if len(values) < settings.minimum_rows // 2:
        return NotEvaluated(f"a sample of {len(values)} rows, which is too few of {rows}")
    scales, columns, without_spread = _scales(by_type, kinds, values, bool(settings.features))
    left_out += without_spread
    if len(scales) < _LEAST_FEATURES:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        return NotEvaluated(
            f"{_counted(len(scales))} left; at least {_LEAST_FEATURES} are needed ({reasons})"
        )
    scaled = _scaled(values[:, columns], scales)
    pairs = _pairs(scaled)
    coordinates = np.hstack([np.arcsinh(scaled), *[_contrast(scaled, pair) for pair in pairs]])
    return AnomalyModel(
        features=tuple(scales),
        pairs=tuple(pairs),
        clusters=_clusters(sample.sparkSession, coordinates),
        rows=rows,
        sample_rows=len(values),
        left_out=tuple(left_out),
    )


def _counted(count: int) -> str:
    return f"{count} feature" + ("" if count == 1 else "s")


def _usable_types(
    features: Sequence[Feature], kinds: dict[str, str]
) -> tuple[list[Feature], list[tuple[str, str]]]:
    """The features whose columns have types to calculate with, and the others with the reason."""
    usable, left_out = [], []
    for feature in features:
        found = [kinds.get(name, "missing") for name in feature.columns]
        fits = is_number if len(found) == 1 else _is_time
        if all(fits(kind) for kind in found):
            usable.append(feature)
        else:
            expected = "a number" if len(found) == 1 else "two times"
            left_out.append((feature.name, f"not {expected} but {', '.join(found)}"))
    return usable, left_out


def _is_time(kind: str) -> bool:
    return kind in ("date", "timestamp", "timestamp_ntz")


def _values(
    sample: DataFrame, features: Sequence[Feature], kinds: dict[str, str], most: int
) -> Numbers:
    """The features' finite values, a row a row of the sample, sorted; NaN where there is none."""
    columns = [
        measured(each.columns, [kinds[name] for name in each.columns]).alias(f"f{position}")
        for position, each in enumerate(features)
    ]
    if not columns:
        return np.empty((sample.count(), 0))
    table = sample.select(*columns).toArrow()
    values = np.column_stack(
        [column.to_numpy(zero_copy_only=False).astype(np.float64) for column in table.columns]
    )
    values[~np.isfinite(values)] = np.nan
    # Without the sort, the order of the rows would decide where K-means begins.
    values = values[np.lexsort(values.T[::-1])]
    if len(values) > most:
        values = values[np.linspace(0, len(values) - 1, most).astype(np.int64)]
    return values


def _scales(
    features: Sequence[Feature], kinds: dict[str, str], values: Numbers, by_hand: bool
) -> tuple[list[FeatureScale], list[int], list[tuple[str, str]]]:
    """The features in use, their positions in the values, and the others with the reason."""
    scales, positions, left_out = [], [], []
    for position, feature in enumerate(features):
        own_kinds = tuple(kinds[name] for name in feature.columns)
        column = values[:, position]
        scale = _scale(column)
        if not by_hand and is_integer(own_kinds[0]) and _differs_in_every_row(column):
            scale = "differs in every row, so it identifies"
        if isinstance(scale, str):
            left_out.append((feature.name, scale))
            continue
        scales.append(FeatureScale(feature.name, feature.columns, own_kinds, *scale))
        positions.append(position)
    return scales, positions, left_out


def _differs_in_every_row(column: Numbers) -> bool:
    return len(np.unique(column)) == len(column) and not np.isnan(column).any()


def _scale(column: Numbers) -> tuple[float, float] | str:
    """Median and robust spread, or why the column has none."""
    present = column[~np.isnan(column)]
    if len(present) <= len(column) / 2:
        return "has no value in half of the rows"
    low, quarter, median, three_quarters, high = np.quantile(
        present, [0.05, 0.25, 0.5, 0.75, 0.95], method="lower"
    )
    with np.errstate(over="ignore"):
        spread = (three_quarters - quarter) / _IQR_OF_NORMAL
        if spread == 0:
            spread = (high - low) / _MIDDLE_90_OF_NORMAL
    if spread == 0:
        return "is one and the same in nine tenths of the rows"
    if not np.isfinite(spread):
        return "is spread beyond what can be calculated with"
    return float(median), float(spread)


def _scaled(values: Numbers, scales: Sequence[FeatureScale]) -> Numbers:
    medians = np.array([each.median for each in scales])
    spreads = np.array([each.spread for each in scales])
    with np.errstate(over="ignore"):
        scaled: Numbers = np.clip((values - medians) / spreads, -MOST_SPREADS, MOST_SPREADS)
    return scaled


def _pairs(scaled: Numbers) -> list[FeaturePair]:
    """Each feature with the one that its ranks correlate with most, if they do; each pair once."""
    count = scaled.shape[1]
    strength = np.zeros((count, count))
    for first in range(count):
        for second in range(first + 1, count):
            strength[first, second] = strength[second, first] = _rank_correlation(
                scaled[:, first], scaled[:, second]
            )
    partners = {
        (min(each, other), max(each, other))
        for each in range(count)
        if strength[each, other := int(strength[each].argmax())] >= _CORRELATED
    }
    return [_pair(scaled, first, second) for first, second in sorted(partners)]


def _rank_correlation(one: Numbers, other: Numbers) -> float:
    """Spearman's, without its sign; 0 where half of the rows lack one of the two."""
    both = ~(np.isnan(one) | np.isnan(other))
    if both.sum() <= len(one) / 2:
        return 0.0
    ranks = [_ranks(each[both]) for each in (one, other)]
    spreads = [each.std() for each in ranks]
    if not all(spreads):
        return 0.0
    first, second = (each - each.mean() for each in ranks)
    return float(abs((first * second).mean() / (spreads[0] * spreads[1])))


def _ranks(values: Numbers) -> Numbers:
    """Equal values have the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    mean_ranks: Numbers = (last - (sizes - 1) / 2).astype(np.float64)
    ranks: Numbers = mean_ranks[group]
    return ranks


def _pair(scaled: Numbers, first: int, second: int) -> FeaturePair:
    """The line through the nine tenths of the rows that are nearest to it."""
    both = ~np.isnan(scaled[:, [first, second]]).any(axis=1)
    x, y = scaled[both, first], scaled[both, second]
    # Begin with the middle of both: a value that is a million spreads away would turn the line.
    kept = (np.abs(x) <= _MIDDLE) & (np.abs(y) <= _MIDDLE)
    slope = intercept = 0.0
    for _ in range(_LINE_ROUNDS):
        slope, intercept = _line(x[kept], y[kept])
        off = np.abs(y - slope * x - intercept)
        kept = off <= np.quantile(off, _KEPT_BY_LINE)
    off = y - slope * x - intercept
    low, high = np.quantile(off, [0.25, 0.75])
    spread = max(float(high - low) / _IQR_OF_NORMAL, _CLOSEST_PAIR)
    return FeaturePair(first, second, slope, intercept, spread)


def _line(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Slope and intercept by least squares."""
    centred = x - x.mean()
    weight = float((centred * centred).sum())
    slope = float((centred * (y - y.mean())).sum()) / weight if weight else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _contrast(scaled: Numbers, pair: FeaturePair) -> Numbers:
    off = scaled[:, pair.second] - pair.slope * scaled[:, pair.first] - pair.intercept
    return (off / pair.spread)[:, np.newaxis]


@dataclass(frozen=True, slots=True)
class _Clustered:
    """Coordinates of rows by their nearest centre: which it is, and how far they are from it."""

    nearest: npt.NDArray[np.int64]
    distance: Numbers


def _clusters(spark: SparkSession, coordinates: Numbers) -> tuple[Cluster, ...]:
    """K-means centres that stand for enough rows, each with its limit."""
    centres = _centres(spark, _cut_off(coordinates))
    sizes = np.bincount(_nearest(coordinates, centres).nearest, minlength=len(centres))
    large = sizes >= max(_SMALLEST_CLUSTER * len(coordinates), 1)
    centres = centres[large]
    found = _nearest(coordinates, centres)
    overall = _limit(found.distance)
    clusters = []
    for position, centre in enumerate(centres):
        own = found.distance[found.nearest == position]
        limit = _limit(own) if len(own) >= _LEAST_FOR_OWN_LIMIT else overall
        clusters.append(Cluster(tuple(float(each) for each in centre), limit, len(own)))
    return tuple(clusters)


def _cut_off(coordinates: Numbers) -> Numbers:
    """As they are clustered: bounded, and where there is no value the median, which is 0."""
    bounded = np.clip(coordinates, -CLUSTERED_WITHIN, CLUSTERED_WITHIN)
    return np.where(np.isnan(bounded), 0.0, bounded)


def _centres(spark: SparkSession, points: Numbers) -> Numbers:
    """Spark's K-means, in the order of its centres' coordinates."""
    # K-means takes no array that might contain a null.
    numbers = pa.list_(pa.field("item", pa.float64(), nullable=False))
    schema = pa.schema([pa.field("features", numbers)])
    table = pa.table([pa.array(points.tolist(), numbers)], schema)
    # In one partition: its sums and its first centres depend on how rows are distributed.
    frame = spark.createDataFrame(table).coalesce(1)
    model = KMeans(k=_CENTRES, seed=_SEED, featuresCol="features").fit(frame)
    centres = np.array(model.clusterCenters(), dtype=np.float64)
    return centres[np.lexsort(centres.T[::-1])]


def _nearest(coordinates: Numbers, centres: Numbers) -> _Clustered:
    points = _cut_off(coordinates)
    squares = ((points[:, np.newaxis, :] - centres[np.newaxis, :, :]) ** 2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    parts = (coordinates - centres[nearest]) ** 2
    return _Clustered(nearest, np.sqrt(np.nansum(parts, axis=1)))


def _limit(distances: Numbers) -> float:
    """The median, and four times as far as from there to the distance of nine tenths."""
    median, nine_tenths = np.quantile(distances, [0.5, 0.9])
    return max(float(median + _LIMIT_SPREADS * (nine_tenths - median)), _LEAST_LIMIT)
