"""`strandline docs`: the catalogue of all contracts as pages that need no server."""
