"""`strandline config`: every setting, its value, and what says so; never a secret."""
