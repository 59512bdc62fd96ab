"""Backups of catalog and key ring, and bringing back what was lost. No row of a table is copied."""
