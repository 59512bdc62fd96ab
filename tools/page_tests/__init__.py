"""The pages in a real browser: what they say to its console, at which widths, and by keyboard."""
