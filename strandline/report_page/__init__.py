"""The quality report as one HTML page: its sections, its charts, its colours."""
