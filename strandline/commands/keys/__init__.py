"""`strandline keys`: the data keys of tables, and the key that wraps them."""
