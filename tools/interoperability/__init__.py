"""Other engines read a history table; what each can't do becomes a table in the documentation."""
