"""`strandline hold` and `strandline retention`: how long data about persons is kept, and why."""
