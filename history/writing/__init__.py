"""Writing a merge plan to branches of the history's tables, and refused rows to the quarantine.

The only room that writes rows. What to write is decided in `history.planning`.
"""
