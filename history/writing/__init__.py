"""Writing a merge plan to branches of the history's tables, and refused rows to the quarantine.

The only package that writes rows; `history.planning` decides what to write.
"""
