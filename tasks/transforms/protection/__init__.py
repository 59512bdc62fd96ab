"""Encryption, pseudonyms and masks of columns, and of source rows for the quarantine."""
