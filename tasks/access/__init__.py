"""Reading with a right: what a role sees, who may decrypt, and the grants of other engines."""
