"""`strandline init`: a project of the user's own: database, contracts, first load."""
