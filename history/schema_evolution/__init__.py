"""A history table whose columns, types, tracked columns or partitioning change.

What is allowed, what is refused, and the metadata-only ALTER statements. No row is rewritten here.
"""
