"""Acting on a contract's retention: which records are over it, and what becomes of them."""
