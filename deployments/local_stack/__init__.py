"""`strandline up` and `down`: a Prefect server, its database, its workers on this machine."""
