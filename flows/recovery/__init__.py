"""Backups of catalog and key ring on a schedule. Restoring is a command: it must not need a server."""
