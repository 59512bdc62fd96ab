"""Pure functions over columns and frames, named by technique.

Time, ids and keys are arguments. No action, no clock, no block, no Prefect.
"""
