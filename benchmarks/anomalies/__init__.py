"""How well unusual rows are found in real flights, and what looking for them costs."""
