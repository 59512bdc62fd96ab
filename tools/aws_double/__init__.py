"""moto's server with what AWS does and moto does not: rights, regions, faults, lost updates.

Every request that reaches it is kept as the call that AWS would have counted and authorised.
"""
