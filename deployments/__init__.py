"""How Strandline is set up: servers, work pools, alerts, a local stack, Spark clusters."""
