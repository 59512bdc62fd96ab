"""What is checked on the audit branch before it is published.

Rules about versions, and the comparison of open versions with what a full read returned. Checks
of source rows belong to `tasks.transforms.checks`.
"""
