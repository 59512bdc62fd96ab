"""Checks of the catalog and the warehouse that a lakehouse block names."""
