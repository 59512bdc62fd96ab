"""The model of a batch's rows, made of a sample that is read before the batch itself.

Promise: the sample is of the rows and of the state of the source that the load reads, and of at
most as many rows as the contract says, however large the batch is.
"""

from __future__ import annotations

from pyspark.sql import types as T

from blocks.source_dialects.consistent_read import SourceReading
from tasks.run.run_context import Run
from tasks.run.step_results import Extraction
from tasks.source.dialect_of_source import sql_dialect_of
from tasks.source.jdbc_reader import source_rows
from tasks.source.sample_query import sample_query, sampled_here
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
    sample_rows = wanted.settings.sample_rows
    dialect = sql_dialect_of(run.source)
    query = sample_query(
        extraction.query,
        names,
        wanted.identity,
        rows=extraction.rows,
        sample_rows=sample_rows,
        dialect=dialect,
    )
    hashes = dialect.bucket(names, 1) is not None
    read = names if hashes else [*dict.fromkeys((*names, *wanted.identity))]
    schema = T.StructType([contract.rows[name] for name in read])
    sample = source_rows(run.spark, reading, schema, contract.fetch, query=query)
    if not hashes:
        sample = sampled_here(
            sample, wanted.identity, rows=extraction.rows, sample_rows=sample_rows
        )
    return fit_model(sample, wanted.features, rows=extraction.rows, settings=wanted.settings)
