"""How a run finds its blocks: on a Prefect server, or in a local block file."""
