"""Pure functions over columns and frames, named by technique.

Time, ids and keys are arguments. No clock, no block, no Prefect, and no action but to
fit a model of unusual rows to a sample.
"""
