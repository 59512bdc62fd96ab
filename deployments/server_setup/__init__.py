"""`strandline deploy`, stage by stage: blocks, limits, work pools, deployments, alerts."""
