"""From a contract to one frozen object that has everything a run needs of it.

Steps take what they need from that object and never go back to the contract's files or schemas.
"""
