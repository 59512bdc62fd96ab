"""What is checked on the audit branch before it is published.

Rules about versions, and the comparison of open versions with the rows of a full read. Checks of
source rows belong to `tasks.transforms.checks`.
"""
