"""The Iceberg tables of a history: creating them, their properties, snapshots and branches.

Metadata only; rows are written in `history.writing`.
"""
