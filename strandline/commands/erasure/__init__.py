"""`strandline erase`: persons leave a table and all that lies beside it."""
