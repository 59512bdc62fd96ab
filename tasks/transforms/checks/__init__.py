"""Judging source rows: rules as Spark conditions, the failed checks of a row, the score."""
