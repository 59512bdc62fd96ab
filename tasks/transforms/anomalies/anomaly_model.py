"""The model by which a row is unusual: numbers only, so that it can be kept, read and compared.

A row becomes coordinates. Of each feature: `z = (value - median) / spread`, and the coordinate is
`asinh(z)`, which is `z` near 0 and grows like `ln(2 |z|)` beyond, so that a long tail counts for
little. Of each pair of features that go together: `(z_second - slope * z_first - intercept) /
spread`, as it is, so that a contradiction between the two counts in full. A row belongs to the
nearest centre, its coordinates cut off at `CLUSTERED_WITHIN` for that; its distance is the
Euclidean one to that centre, not cut off. It is unusual when that is over the cluster's limit.

A feature without a value (null, NaN) is taken for its median when the nearest centre is looked for,
and adds nothing to the distance. `z` is cut off at `MOST_SPREADS`, so infinity is a large value.
"""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any

from contracts.errors import UsageError

__all__ = [
    "CLUSTERED_WITHIN",
    "MOST_SPREADS",
    "VERSION",
    "AnomalyModel",
    "Cluster",
    "FeaturePair",
    "FeatureScale",
    "NotEvaluated",
]

VERSION = 1
"""Of the method: models of different versions are not compared."""

CLUSTERED_WITHIN = 2.0
"""Coordinates are cut off here when rows are clustered, so that outliers make no cluster."""

MOST_SPREADS = 1e6
"""A value counts as at most so many spreads from its median: no sum of squares overflows."""


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """There is no model, and why; the reason contains no value of the data."""

    reason: str


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """A feature and how it is scaled.

    `columns` is one numeric source column, or two of time whose difference counts in seconds;
    `kinds` are their Spark types. `median` and `spread` are in the feature's own unit; None where
    they were left out because the feature is sensitive.
    """

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    median: float | None
    spread: float | None


@dataclass(frozen=True, slots=True)
class FeaturePair:
    """Two features that go together, by their positions, and the line that relates them.

    In spreads of the two: `second = slope * first + intercept`, give or take `spread`.
    """

    first: int
    second: int
    slope: float
    intercept: float
    spread: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kind of row: its centre (features first, then pairs), limit of distance, sample rows."""

    centre: tuple[float, ...]
    limit: float
    rows: int


@dataclass(frozen=True, slots=True)
class AnomalyModel:
    """What the rows of one batch are usually like.

    Attributes:
        features: The features in use.
        pairs: Those of them that go together.
        clusters: One to three.
        rows: How many rows the batch had.
        sample_rows: How many of them the model is made of.
        left_out: Features that are not in use, each with the reason.
        version: Of the method.
    """

    features: tuple[FeatureScale, ...]
    pairs: tuple[FeaturePair, ...]
    clusters: tuple[Cluster, ...]
    rows: int
    sample_rows: int
    left_out: tuple[tuple[str, str], ...] = ()
    version: int = VERSION

    @property
    def names(self) -> tuple[str, ...]:
        """The coordinates' names, as `anomaly_columns` reports them: features, then pairs."""
        features = tuple(each.name for each in self.features)
        return (
            *features,
            *(f"{features[each.second]} against {features[each.first]}" for each in self.pairs),
        )

    def to_json(self) -> str:
        """The whole model, medians and spreads in the clear: not for a place that others read."""
        return json.dumps(asdict(self), sort_keys=True)

    def public_json(self, hidden: AbstractSet[str]) -> str:
        """The model without the medians and spreads of the features of these names.

        What remains of them is in spreads, which tell no value.
        """
        document = asdict(self)
        for feature in document["features"]:
            if feature["name"] in hidden:
                feature["median"] = feature["spread"] = None
        return json.dumps(document, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> AnomalyModel:
        """The model of `to_json` or `public_json`.

        Raises:
            UsageError: The text is no such model.
        """
        try:
            return _model(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                where="a stored anomaly model",
                expected="the JSON of one",
                found=f"something else ({type(error).__name__})",
                next_step="Let the next load make a model anew.",
            ) from None


def _model(document: dict[str, Any]) -> AnomalyModel:
    return AnomalyModel(
        features=tuple(
            FeatureScale(
                name=each["name"],
                columns=tuple(each["columns"]),
                kinds=tuple(each["kinds"]),
                median=each["median"],
                spread=each["spread"],
            )
            for each in document["features"]
        ),
        pairs=tuple(FeaturePair(**each) for each in document["pairs"]),
        clusters=tuple(
            Cluster(tuple(each["centre"]), each["limit"], each["rows"])
            for each in document["clusters"]
        ),
        rows=document["rows"],
        sample_rows=document["sample_rows"],
        left_out=tuple((name, reason) for name, reason in document["left_out"]),
        version=document["version"],
    )
