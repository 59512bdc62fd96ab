"""`strandline import`: a history that another tool kept, and the contract by which it goes on."""
