"""Reading a source that may fail: its circuit, and the connections that runs may hold to it.

Every read of a source goes through `source_reading`. The rules are in `blocks.coordination`; here
they are applied to a run, told as events, and given up where the place of their state is down.
"""
