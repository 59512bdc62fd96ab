"""What has to agree between the parts of a contract, and with the ODCS standard.

Each module takes a contract that was parsed and adds problems to a report; none changes anything.
"""
