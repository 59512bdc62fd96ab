"""`strandline backup` and `restore`: catalog and key ring kept apart, and brought back."""
