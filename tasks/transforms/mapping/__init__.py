"""Source columns to target columns, row filters, and constants that compare as they are meant."""
