"""How sensitive columns and rows are, and what a role may read of them."""
