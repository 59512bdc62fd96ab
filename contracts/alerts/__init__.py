"""The alert file: who hears of what, and the names of the events that alerts wait for.

How alerts become Prefect automations belongs to `deployments.alerts`.
"""
