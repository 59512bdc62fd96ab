"""`strandline lineage`: where a table's columns come from, and where one version does."""
