"""What a contract says of quality, read: checks, metrics, relationships, limits and the gate."""
