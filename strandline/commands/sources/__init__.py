"""`strandline source`: the circuits of sources, and who holds connections to them."""
