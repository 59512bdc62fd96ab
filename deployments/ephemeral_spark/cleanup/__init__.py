"""Ending clusters whatever becomes of their worker: a watchdog per run, a sweep at start."""
