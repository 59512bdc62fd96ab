"""A session of real commands, as docs/session.svg shows it."""
