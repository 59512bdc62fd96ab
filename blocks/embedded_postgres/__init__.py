"""A PostgreSQL server of one's own, from a wheel: for the demo, the local stack and the tests."""

from __future__ import annotations

from blocks.embedded_postgres.embedded_server import EmbeddedPostgres, running_postgres

__all__ = ["EmbeddedPostgres", "running_postgres"]
