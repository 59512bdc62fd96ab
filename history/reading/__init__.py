"""Reading a history: current rows, rows as of a moment, differences, and SQL views.

Changes nothing.
"""
