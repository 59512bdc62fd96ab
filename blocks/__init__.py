"""Where things live: Prefect blocks for sources, the lakehouse, Spark, keys and alert channels.

The modules at the top are the block classes. The code that a block needs is in a folder
beside it, named after the system it uses.
"""
