"""Runs told in OpenLineage's words: which table came from which, column by column."""
