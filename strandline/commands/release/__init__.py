"""`strandline release`: a new contract beside the published table, promoted or taken back."""
