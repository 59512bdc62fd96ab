"""The Spark extensions that Iceberg's SQL needs: branches, procedures, partition fields."""

from __future__ import annotations

ICEBERG_EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
"""For `spark.sql.extensions`: procedures, branches, row-level writes."""
