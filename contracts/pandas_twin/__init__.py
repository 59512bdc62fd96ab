"""A contract's source rows as a Python module for pandas, with a pandera schema.

Its checks agree with those that run on Spark. Nothing here is used by a load.
"""
