"""The ways to look for unusual rows: ours, and the specification's, taken at its word.

The specification's fills nulls with 0, takes every column of an integer or floating point type,
and clusters all rows unscaled. It leaves open what is far from a centre; here it is more than the
mean and three standard deviations of all distances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame, SparkSession

from benchmarks.anomalies.planted import FEATURES, KEYS
from contracts.model import AnomalySettings, Feature
from tasks.transforms.anomalies.anomaly_columns import with_anomalies
from tasks.transforms.anomalies.anomaly_model import AnomalyModel, NotEvaluated
from tasks.transforms.anomalies.model_fitting import fit_model

__all__ = ["OURS", "SUBJECTS", "model_of"]

Flags = npt.NDArray[np.bool_]

OURS, SPECIFICATION, WITHOUT_KEYS = "strandline", "specification", "specification, no keys"
_NUMERIC = ("double", "float", "integer", "long")
_SETTINGS = AnomalySettings(features=tuple(Feature(name, (name,)) for name in FEATURES))


def model_of(spark: SparkSession, frame: pd.DataFrame) -> AnomalyModel:
    """Our model, of a sample as large as the contract's default."""
    chosen = frame.sample(min(_SETTINGS.sample_rows, len(frame)), random_state=42)
    sample = spark.createDataFrame(chosen[[*FEATURES]])
    model = fit_model(sample, _SETTINGS.features, rows=len(frame), settings=_SETTINGS)
    if isinstance(model, NotEvaluated):
        raise TypeError(model.reason)
    return model


def _strandline(spark: SparkSession, frame: pd.DataFrame) -> Flags:
    scored = with_anomalies(spark.createDataFrame(frame), model_of(spark, frame), "anomaly")
    scored = scored.select("flight_id", scored["anomaly"].isNotNull().alias("unusual"))
    return _in_order(scored.toPandas())


def _specification(spark: SparkSession, frame: pd.DataFrame) -> Flags:
    return _by_k_means(spark.createDataFrame(frame))


def _without_keys(spark: SparkSession, frame: pd.DataFrame) -> Flags:
    rows = spark.createDataFrame(frame)
    return _by_k_means(rows.select("flight_id", *FEATURES), left_out=KEYS)


def _by_k_means(rows: DataFrame, left_out: tuple[str, ...] = ()) -> Flags:
    numeric = [
        field.name
        for field in rows.schema.fields
        if field.dataType.typeName() in _NUMERIC and field.name not in left_out
    ]
    assembler = VectorAssembler(inputCols=numeric, outputCol="features")
    features = assembler.transform(rows.fillna(0))
    model = KMeans(k=3, seed=42, featuresCol="features", predictionCol="cluster").fit(features)
    predicted = model.transform(features).select(*{"flight_id", "cluster", *numeric})
    found = predicted.toPandas().sort_values("flight_id")
    centres = np.array(model.clusterCenters())[found["cluster"]]
    distances = np.sqrt(((found[numeric].to_numpy() - centres) ** 2).sum(axis=1))
    unusual: Flags = distances > distances.mean() + 3 * distances.std()
    return unusual


def _in_order(scored: pd.DataFrame) -> Flags:
    """Of the rows in the order of their ids, which is that of the frame."""
    flags: Flags = scored.sort_values("flight_id")["unusual"].to_numpy()
    return flags


SUBJECTS: Mapping[str, Callable[[SparkSession, pd.DataFrame], Flags]] = {
    OURS: _strandline,
    SPECIFICATION: _specification,
    WITHOUT_KEYS: _without_keys,
}
