"""Whole loads of two builds of Strandline, side by side: `python -m benchmarks.load`."""
