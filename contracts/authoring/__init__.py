"""Writing contract files: what a short one means in full, and a long one made short."""
