"""What Prefect's pages show beside Strandline's block types."""
