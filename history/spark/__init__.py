"""Spark idioms that every room of the engine uses; they know nothing of histories."""
