"""`strandline maintain`: the upkeep of the whole lakehouse."""
