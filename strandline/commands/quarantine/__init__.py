"""`strandline quarantine`: what was refused, and what people decide about it."""
