"""`strandline contracts`: write a contract from a source, check contracts, list and show them."""
