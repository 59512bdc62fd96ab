"""Rotating the key of a table: a new key, and the table's tokens encrypted again with it."""
