"""How fast rows leave a PostgreSQL: our read beside COPY, Spark alone and other loaders."""
