"""A blue-green release: begun, compared, its readers shifted, promoted, rolled back, validated.

What belongs here: the contract of green, the checks before each step, and its audit records. How
histories are copied, compared and published is in `history.release`; loading is in `flows.release`.
"""
