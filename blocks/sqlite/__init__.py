"""SQLite as a source: a file on every machine that reads."""
