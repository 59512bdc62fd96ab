"""`make demo`: a year of real flights becomes governed history, from nothing."""
