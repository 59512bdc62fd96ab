"""Settings of a Spark whose queries each run once, over a handful of rows.

Compiling such a query, by Spark or by the JVM's second compiler, takes several times as long as
running it. Writing its plan down for pages that nobody serves takes a seventh of a small load. And
a JVM without its second compiler keeps so little compiled code that it would compile Spark over and
over.
"""

from __future__ import annotations

QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseParallelGC"
QUICK = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.ui.explainMode": "simple",
}
COMPILED = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
}
"""For a session on the same Spark that reads many rows."""
