"""A contract as Spark schemas, as the DDL of its target, and as a data dictionary.

Needs no running Spark. How a type of the source is read belongs to `tasks.source`.
"""
