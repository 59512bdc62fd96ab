"""Erasing persons from a table and all that lies beside it, and keeping them erased."""
