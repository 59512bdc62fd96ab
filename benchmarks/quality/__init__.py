"""What checking rows costs, beside other validators: `python -m benchmarks.quality`."""
