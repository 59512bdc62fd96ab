"""What a batch changes: from change events and stored versions to a merge plan.

Reads the history, writes nothing. Pure functions over DataFrames: time, ids and reads are
arguments. Writing the plan belongs to `history.writing`.
"""
