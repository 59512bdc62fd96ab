"""What protecting columns costs, of loads: `python -m benchmarks.protect`."""
