"""What each step of a load runs in: the run and its results, retries, limits, locks, errors."""
