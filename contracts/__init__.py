"""What a table promises: contract files, the model they are read into, and what follows from it.

Nothing here needs Prefect, a database connection or a running Spark. `errors` is the one error tree
of the project; `tables` and `ledgers` have the contract files that Strandline ships.
"""
