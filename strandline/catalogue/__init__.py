"""The catalogue of contracts as static pages: an index with a search, and a page per contract."""
