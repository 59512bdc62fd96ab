"""The keys that protect the tables' personal data: one interface, and where keys are kept."""
