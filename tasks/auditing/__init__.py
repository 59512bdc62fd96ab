"""The audit log afterwards: verified, exported, and let go when its time is up."""
