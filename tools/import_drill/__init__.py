"""Real histories of dbt, SQLMesh and dlt, for `make import-drill` and for the tests' fixtures."""
