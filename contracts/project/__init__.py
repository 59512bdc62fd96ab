"""A user's project: its folder, and where its settings come from. No block, no contract."""
