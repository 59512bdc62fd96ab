"""The write of a stage: what steps that stage rows have in common."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tasks.run.run_context import Run
from tasks.transforms import stage_plan

_PROPERTIES = {
    "format-version": "3",
    "write.spark.fanout.enabled": "true",
    "write.distribution-mode": "none",
    # Read once or twice and dropped: zstd halves its size, and doubles what the write costs.
    "write.parquet.compression-codec": "lz4_raw",
}


def write_stage(run: Run, frame: DataFrame) -> None:
    """Write the stage of the run's batch; an earlier attempt's is replaced."""
    writer = frame.writeTo(run.stage).using("iceberg").partitionedBy(F.col(stage_plan.KIND))
    for name, text in _PROPERTIES.items():
        writer = writer.tableProperty(name, text)
    writer.createOrReplace()
