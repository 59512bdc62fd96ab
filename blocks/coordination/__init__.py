"""What runs agree on about a source, wherever they run: is it tried, and by how many connections.

The rules are pure functions from one state to the next; the rest of the room keeps the state where
all runs see it. What is done when a source fails is in `tasks.resilience`.
"""
