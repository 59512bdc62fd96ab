"""The SQL of each kind of source database."""
