"""Taking a batch back: its events leave the history, and its refused rows the quarantine."""
