"""Unusual rows and unusual batches: a model of a batch, its scoring in SQL, past runs."""
