"""YAML text to plain values, read key by key, with every problem collected and its place known."""
