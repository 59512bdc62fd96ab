"""A flow that writes and reads an Iceberg table by Strandline's own blocks."""

from __future__ import annotations

from pathlib import Path

from prefect import flow


@flow(name="rows-in-lake", persist_result=False)
def rows_in_lake(folder: str) -> None:
    """The block says local[2], as on a laptop: the flow does not choose where it runs."""
    from blocks.lakehouse import Lakehouse
    from blocks.spark_runtime import SparkRuntime

    def doubled(batches):
        import pyarrow as pa
        import pyarrow.compute as pc

        for batch in batches:
            yield pa.RecordBatch.from_arrays([pc.multiply(batch["id"], 2)], names=["id"])

    runtime = SparkRuntime(master="local[2]", log_directory=Path(folder, "logs"))
    lake = Lakehouse(
        catalog="lake", warehouse=f"{folder}/lake", uri=f"jdbc:sqlite:{folder}/lake.db"
    )
    spark = runtime.session(lake)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.tests")
    rows = spark.range(10, numPartitions=2).mapInArrow(doubled, "id long")
    rows.writeTo("lake.tests.doubled").createOrReplace()
    total = spark.table("lake.tests.doubled").groupBy().sum("id").first()[0]
    Path(folder, "total").write_text(f"{total} on {spark.sparkContext.master}", encoding="utf-8")
