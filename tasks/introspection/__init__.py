"""From a source's catalog, and a sample of its rows, to the text of a contract. Without Spark."""
