"""`strandline undo`: the history as if a batch had never been loaded."""
