"""Reading a source: over JDBC into Spark, and how far it has drifted from its contract."""
