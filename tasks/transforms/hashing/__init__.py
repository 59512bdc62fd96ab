"""Keyed hashes of rows and values (HMAC-SHA-256), and the text they are made of."""
