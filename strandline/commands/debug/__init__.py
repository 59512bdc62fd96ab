"""`strandline debug`: each connection and right that the blocks need, tried without Spark."""
