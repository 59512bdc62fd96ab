"""`strandline plan`: what a load would do, before it does: source, rights, table, rows, cost."""
