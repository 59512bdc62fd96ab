"""When, and in which order: the Prefect flows. `load_steps` has the order of a load's steps."""
