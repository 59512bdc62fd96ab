"""SCD2 loads of several tools, side by side on the same rows: `python -m benchmarks.history`."""
