"""Speaking to a PostgreSQL source: connections, session settings, its catalog, its SQLSTATEs."""
