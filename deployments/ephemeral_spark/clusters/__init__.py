"""The kinds of clusters that a run can get: Spark standalone here, or EMR Serverless."""
