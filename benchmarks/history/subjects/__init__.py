"""One module per tool, all with the same interface (`benchmarks.history.subject`)."""
