"""The work pool type `ephemeral-spark`: each flow run gets a Spark cluster of its own.

`worker` is Prefect's worker, `clusters` has the kinds of clusters, `cleanup` ends what a dead
worker left behind.
"""
