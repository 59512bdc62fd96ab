"""How a run begins and ends: opening it, its lock, its time limit, and what it left behind."""
