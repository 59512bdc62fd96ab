"""Backups of catalog and key ring on a schedule. Restoring is a command and needs no server."""
