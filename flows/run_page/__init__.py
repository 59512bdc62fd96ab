"""What the page of a flow run shows in Prefect: tables, text and a chart."""
