"""Taking over a history that dbt, SQLMesh or dlt kept: its configuration, its rows as a batch."""
