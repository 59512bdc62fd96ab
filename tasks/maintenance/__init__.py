"""Upkeep of what lies beside the histories: ledgers, stages that nobody knows of, uses of keys."""
