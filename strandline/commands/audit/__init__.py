"""`strandline audit`: the audit log is shown, verified and exported."""
