"""The upkeep of the whole lakehouse, in one flow."""
