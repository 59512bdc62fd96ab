"""Compaction, snapshot expiry and orphan files of one history table.

A history says the same before and after. Computing versions anew belongs to `history.restatement`.
"""
