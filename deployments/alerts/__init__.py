"""The alert file as Prefect automations on a server."""
