"""The SQL that reads a contract's source, and how each of the source's types is carried to Spark.

Text only: what runs it is `blocks.postgres` (one connection) and `tasks.source` (Spark over JDBC).
"""
