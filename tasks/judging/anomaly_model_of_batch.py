"""The model of a batch's rows, made of a sample that is read before the batch itself.

Promise: the sample is of the rows and of the state of the source that the load reads, and of at
most as many rows as the contract says, however large the batch is.
"""

from __future__ import annotations

from pyspark.sql import types as T

from blocks.postgres.consistent_read import SourceReading
from tasks.run.run_context import Run
from tasks.run.step_results import Extraction
from tasks.source.jdbc_reader import source_rows
from tasks.source.sample_query import sample_query
from tasks.transforms.anomalies.anomaly_model import AnomalyModel, NotEvaluated
from tasks.transforms.anomalies.model_fitting import fit_model


def model_of_batch(
    run: Run, extraction: Extraction, reading: SourceReading
) -> AnomalyModel | NotEvaluated | None:
    """The model, or why there is none; None: the contract does not ask for one."""
    contract = extraction.contract
    wanted = contract.anomalies
    if wanted is None:
        return None
    if extraction.rows < wanted.settings.minimum_rows:
        least = wanted.settings.minimum_rows
        return NotEvaluated(f"{extraction.rows} rows; at least {least} are needed")
    names = [*dict.fromkeys(name for each in wanted.features for name in each.columns)]
    query = sample_query(
        extraction.query,
        names,
        wanted.identity,
        rows=extraction.rows,
        sample_rows=wanted.settings.sample_rows,
        dialect=run.source.dialect,
    )
    schema = T.StructType([contract.rows[name] for name in names])
    sample = source_rows(run.spark, reading, schema, contract.fetch, query=query)
    return fit_model(sample, wanted.features, rows=extraction.rows, settings=wanted.settings)
